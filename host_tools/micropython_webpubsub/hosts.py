"""Names of hosts as they stand in Host headers, URLs and answers of event handlers.

They are read strictly (RFC 3986 section 3.2, RFC 9110 section 7.2), because decisions hang on
them: a lenient reader takes `evil@127.0.0.1` and `[::1].evil.example` for this computer.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_LOOPBACK_NAME = "localhost"
# A name or an IPv4 address; or an IPv6 address in brackets. User information is not allowed.
_HOST = re.compile(r"(?:([A-Za-z0-9._~-]{1,255})|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Host:
    """A host with its port.

    Attributes:
        name: in lower case; an IPv6 address in brackets, in its shortest form.
        port: None when it is not written.
    """

    name: str
    port: int | None = None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The IP address, when the name is one."""
        return ip_address(self.name.strip("[]"))

    @property
    def is_loopback(self) -> bool:
        """Whether it is `localhost` or an address of this computer alone."""
        address = self.address
        return self.name == _LOOPBACK_NAME or (address is not None and address.is_loopback)


def parse_host(text: str) -> Host | None:
    """Read `host` or `host:port`; None for anything else."""
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    name, address, port = found.groups()
    number = int(port) if port else None
    if number is not None and number > 65535:
        return None
    if address is None:
        return Host(name.lower(), number)
    try:
        return Host(f"[{ipaddress.IPv6Address(address).compressed}]", number)
    except ValueError:
        return None


def host_of(url: str) -> Host | None:
    """The host of an http, https, ws or wss URL; None for anything else."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https", "ws", "wss"):
        return None
    return parse_host(re.split(r"[/?#\\]", rest, maxsplit=1)[0])


def ip_address(text: str | None) -> Address | None:
    """An IP address; an IPv4 one that is written as IPv6 is an IPv4 one. None for what is none."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
