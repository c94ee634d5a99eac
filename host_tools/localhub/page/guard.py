"""Who may use the page.

A web page of somebody else, open in a browser on this computer, can send requests here. It is
told apart by what it cannot choose: the browser writes the Host and Origin headers. A name in
Host that is not known stands for DNS rebinding, where a foreign name leads to 127.0.0.1; an
Origin that is not ours stands for a forged request (OWASP, Cross-Site Request Forgery).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For")


class Forbidden(Exception):
    """The request is refused with 403; the text names the remedy."""


class Guard:
    """Lets requests through or raises Forbidden.

    Args:
        public_hosts: gives `host[:port]` of every endpoint that the service goes by.
        everybody: whether other computers may use the page, too.
    """

    def __init__(self, public_hosts: Callable[[], Collection[str]], everybody: bool) -> None:
        self._public_hosts = public_hosts
        self._everybody = everybody

    def admit(self, request: web.Request) -> None:
        """Let a request through that only looks.

        Raises:
            Forbidden: it comes from another computer, or by a name that is not known.
        """
        if not self._everybody and not _is_local(request):
            raise Forbidden(
                "The page is for this computer only: open it there, or set page = true under "
                "[service] to show it to everybody who can reach the service."
            )
        if not self._knows(request.host):
            raise Forbidden(
                "The page is not known by this name: open it by its IP address or as localhost, "
                "or add the name to public_endpoints under [service]."
            )

    def admit_command(self, request: web.Request) -> None:
        """Let a request through that does something, or reads the live feed.

        Raises:
            Forbidden: as `admit`, or it does not come from our page.
        """
        self.admit(request)
        origin = _split(request.headers.get("Origin", ""))
        if origin is None or origin.netloc.lower() != request.host.lower():
            raise Forbidden(
                "Only the page itself may do that: programs use the REST data plane at /api."
            )

    def _knows(self, host: str) -> bool:
        """Whether a Host header names this service. An IP address needs no DNS, so it may."""
        if host.lower() in {known.lower() for known in self._public_hosts()}:
            return True
        split = _split(f"http://{host}")
        name = None if split is None else split.hostname
        return name == "localhost" or _address(name) is not None


def _is_local(request: web.Request) -> bool:
    """Whether the peer is a program on this computer, and not a proxy that speaks for another."""
    if any(name in request.headers for name in _PROXY_HEADERS):
        return False
    address = _address(request.remote)
    return address is not None and address.is_loopback


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _split(url: str) -> SplitResult | None:
    """The parts of an http(s) URL; None for anything else."""
    try:
        split = urlsplit(url)
        split.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return None
    return split if split.scheme in ("http", "https") and split.hostname else None
