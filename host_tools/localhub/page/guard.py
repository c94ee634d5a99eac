"""Who may use the page.

Whoever knows the secret of the start (`visitors`). A web page of somebody else, open in the same
browser, can send requests here as well. It is recognised by what it cannot choose: the browser
writes the Host and Origin headers. A name in Host that is not known stands for DNS rebinding,
where a foreign name leads to 127.0.0.1; an Origin that is not ours stands for a forged request
(OWASP, Cross-Site Request Forgery).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from aiohttp import web
from micropython_webpubsub.hosts import ip_address, parse_host

from ..visitors import Visitors, forwarded, same_origin


class Forbidden(Exception):
    """The request is refused with 403; the text names the remedy."""


class Guard:
    """Lets requests through or raises Forbidden.

    Args:
        public_hosts: gives `host[:port]` of every endpoint that the service goes by.
        everybody: whether other computers may use the page, too.
        visitors: know the secret.
    """

    def __init__(
        self,
        public_hosts: Callable[[], Collection[str]],
        everybody: bool,
        visitors: Visitors,
    ) -> None:
        self._public_hosts = public_hosts
        self._everybody = everybody
        self._visitors = visitors

    def admit(self, request: web.Request) -> None:
        """Let a request through that only looks.

        Raises:
            Forbidden: it comes from another computer, by a name that is not known, or without
                the secret.
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
        if not self._visitors.knows(request):
            raise Forbidden(
                "Open the page by the address that the service printed when it started: there "
                "is a secret in it."
            )

    def admit_command(self, request: web.Request) -> None:
        """Let a request through that does something, or reads the live feed.

        Raises:
            Forbidden: as `admit`, or it does not come from our page.
        """
        self.admit(request)
        if not same_origin(request):
            raise Forbidden(
                "Only the page itself may do that: programs use the REST data plane at /api."
            )

    def _knows(self, text: str) -> bool:
        """Whether a Host header names this service. An IP address needs no DNS, so it may."""
        host = parse_host(text)
        if host is None:
            return False
        if host in [parse_host(known) for known in self._public_hosts()]:
            return True
        return host.is_loopback or host.address is not None


def _is_local(request: web.Request) -> bool:
    """Whether the peer is a program on this computer, and no proxy says that it speaks for
    another. A proxy that says nothing looks the same, so this alone proves nothing."""
    address = ip_address(request.remote)
    return address is not None and address.is_loopback and not forwarded(request)
