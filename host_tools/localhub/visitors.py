"""Who may use the page and command faults: whoever knows a secret that the start prints.

That a request comes from this computer proves nothing: a reverse proxy on it that tells nothing
about itself, such as nginx with its defaults, brings in everybody. So the address that is printed
has a secret in it, as Jupyter's has; a browser that opens it gets a cookie.
"""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import web
from micropython_webpubsub.hosts import parse_host

_PARAMETER = "token"
_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For")


class Visitors:
    """Tells those who know the secret from the rest.

    Args:
        key: a secret of the service; the one of the page is made from it, so that the address
            stays the same as long as that does.

    Attributes:
        secret: what visitors have to show.
        cookie: name of the cookie; cookies know no ports, so each service has its own.
    """

    def __init__(self, key: str) -> None:
        self.secret = hmac.new(key.encode(), b"visitors", hashlib.sha256).hexdigest()[:40]
        self.cookie = "localhub-" + hashlib.sha256(self.secret.encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return "Visitors(...)"

    def address(self, url: str) -> str:
        """An address with the secret in it."""
        return f"{url}?{_PARAMETER}={self.secret}"

    def knows(self, request: web.Request) -> bool:
        """Whether a request shows the secret: in the cookie, as bearer token, or in its query."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        shown = [request.cookies.get(self.cookie, ""), request.query.get(_PARAMETER, "")]
        if scheme.lower() == "bearer":
            shown.append(token.strip())
        # aiohttp keeps bytes that are no UTF-8 as surrogates.
        given = [one.encode("utf-8", "surrogatepass") for one in shown]
        return any(hmac.compare_digest(one, self.secret.encode()) for one in given)

    def arrives(self, request: web.Request) -> bool:
        """Whether a request is that of the address which the start prints."""
        return _PARAMETER in request.query and self.knows(request)

    def welcome(self, request: web.Request) -> web.Response:
        """Leave the secret in a cookie, and lead to the address without it.

        So it stays out of what is bookmarked, copied or shown to others.
        """
        response = web.Response(status=303, headers={"Location": request.path})
        response.set_cookie(
            self.cookie, self.secret, httponly=True, samesite="Lax", secure=request.secure
        )
        return response


def forwarded(request: web.Request) -> bool:
    """Whether a proxy that tells about itself speaks for somebody else."""
    return any(name in request.headers for name in _PROXY_HEADERS)


def same_origin(request: web.Request) -> bool:
    """Whether the browser says that a request comes from a page of this very service."""
    scheme, separator, rest = request.headers.get("Origin", "").partition("://")
    origin = parse_host(rest) if separator and scheme in ("http", "https") else None
    return origin is not None and origin == parse_host(request.host)
