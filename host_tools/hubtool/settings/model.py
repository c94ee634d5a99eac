"""The settings file for `hubtool configure`, as a user writes it.

docs/settings.md says what becomes of it on the board. Differences: secrets are places, CA
certificates are files or the word "azure", and `hub.credential` follows from `hub.token` and
`hub.negotiate`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from micropython_webpubsub.validation import matching, misfit
from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    model_validator,
)

from ..names import check_identity
from ..tokens.access_token import is_loopback, is_plain, split_endpoint
from .fields import Endpoint, HubName, Names, NotEmpty, SecretPlace, Table
from .ocpp import Ocpp
from .roots import AZURE

_GROUP_LIMIT = 1024
_LONGEST_KEY = 1024
# The service reads these itself; the connect handler would never see them as given.
_RESERVED_QUERY = frozenset(
    {
        "access_token",
        "awps_connection_id",
        "awps_reconnection_token",
        "group",
        "hub",
        "noecho",
        "webpubsub_mode",
    }
)
DEFAULT_NTP = ("pool.ntp.org", "time.windows.com", "time.google.com")
_NTP_SERVER = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?")


def _movable(value: str) -> str:
    if is_plain(value) and not is_loopback(value):
        raise ValueError(f"a board is not moved to {value}, which is not encrypted: use wss://")
    return value


def _query(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name.lower() in _RESERVED_QUERY:
            raise ValueError(f"'{name}' belongs to the service: use another name")
    return value


def _negotiate_url(value: str) -> str:
    parts = urlsplit(value)
    origin = f"{parts.scheme}://{parts.netloc}"
    split_endpoint(origin)
    if parts.scheme not in ("https", "http") or parts.fragment:
        raise ValueError("write https://, the host and the path, such as https://host/negotiate")
    if not all("!" <= character <= "~" for character in value):
        raise ValueError("blanks and characters that are not ASCII must be percent-encoded")
    if "code" in parse_qs(parts.query):
        raise ValueError(
            "the key of an Azure Function is a secret: write it as key, with header = "
            '"x-functions-key"'
        )
    if is_plain(origin) and not is_loopback(origin):
        raise ValueError("the key would go over an open line: use https://")
    return value


def _group(value: str) -> str:
    if value and not value.strip():
        raise ValueError("a group name is not only white space")
    return value


def _ntp(value: str) -> str:
    if not _NTP_SERVER.fullmatch(value):
        raise ValueError(f"'{value}' is no NTP server: write 'host' or 'host:port'")
    return value


_Phy = matching("[A-Z0-9]+", "no name of a chip: write it in capitals, such as 'LAN8720'")


GroupName = Annotated[str, Field(max_length=_GROUP_LIMIT), AfterValidator(_group)]
NtpServer = Annotated[str, AfterValidator(_ntp)]
Pin = Annotated[StrictInt, Field(ge=0, le=54)]


class Device(Table):
    """Who the board is."""

    id: Annotated[
        str, StringConstraints(min_length=1, max_length=64), AfterValidator(check_identity)
    ]
    kind: str = "device"
    led: Pin | None = None


class Negotiation(Table):
    """`hub.negotiate`: the server that gives the board a URL for each session, for its key.

    Attributes:
        url: of the server; the board adds its `device.id` as `id`, unless there is one.
        key: goes out as a bearer token, or by itself in the field `header`.
        ca: as `tls.ca`, for this server; those of `tls.ca` hold for it, too.
    """

    url: Annotated[str, AfterValidator(_negotiate_url)]
    key: SecretPlace
    header: Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")] | None = (
        None
    )
    ca: Names = ()

    @property
    def origin(self) -> str:
        """Scheme, host and port of the server."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


class HubAccess(Table):
    """Where it connects, and as whom: anonymously, unless it has a token or a key."""

    endpoint: Endpoint
    name: HubName
    protocol: Literal[
        "json.reliable.webpubsub.azure.v1",
        "json.webpubsub.azure.v1",
        "protobuf.reliable.webpubsub.azure.v1",
        "protobuf.webpubsub.azure.v1",
    ] = "json.reliable.webpubsub.azure.v1"
    query: Annotated[dict[str, str], AfterValidator(_query)] = Field(default_factory=dict)
    token: SecretPlace | None = None
    negotiate: Negotiation | None = None
    endpoints_allowed: tuple[Annotated[Endpoint, AfterValidator(_movable)], ...] = ()

    @model_validator(mode="after")
    def _query_without_token(self) -> HubAccess:
        if self.query and self.token is not None:
            raise ValueError("query is for anonymous devices: leave out query or token")
        if self.negotiate is not None and (self.query or self.token is not None):
            raise ValueError("a device negotiates, or has a token or a query: leave out others")
        return self


class Wifi(Table):
    """The network that it joins."""

    ssid: str
    password: SecretPlace | None = None
    open: StrictBool = False

    @model_validator(mode="after")
    def _checks(self) -> Wifi:
        if not 1 <= len(self.ssid.encode()) <= 32:
            raise ValueError("ssid takes 1 to 32 bytes")
        if (self.password is None) != self.open:
            raise ValueError("give a password, or say open = true for a network without one")
        return self


class Spi(Table):
    """The bus of an Ethernet chip that has no MII."""

    id: Annotated[StrictInt, Field(ge=0, le=3)] = 1
    sck: Pin
    mosi: Pin
    miso: Pin


class Ethernet(Table):
    """The wiring of a cable's chip: the arguments of MicroPython's network.LAN."""

    phy: Annotated[str, _Phy]
    address: Annotated[StrictInt, Field(ge=0, le=31)] = 0
    mdc: Pin | None = None
    mdio: Pin | None = None
    reset: Pin | None = None
    power: Pin | None = None
    ref_clk: Pin | None = None
    ref_clk_output: StrictBool | None = None
    spi: Spi | None = None
    cs: Pin | None = None
    interrupt: Pin | None = None


class Log(Table):
    """How much it says on its console."""

    level: Literal["quiet", "info", "debug"] = "info"


class Tls(Table):
    """Whose certificates it trusts: "azure", "azure-all", names of roots, or files."""

    ca: Names


class Telemetry(Table):
    """What the stock program reports, and where."""

    group: GroupName = "telemetry"
    interval: Annotated[StrictFloat, Field(ge=0.1, le=86400)] = 60


class Commands(Table):
    """Whom it obeys."""

    groups: tuple[Annotated[GroupName, Field(min_length=1)], ...] = ()
    users: tuple[NotEmpty, ...] = ()
    reply_group: GroupName = "replies"


class Clock(Table):
    """Where it gets the time."""

    ntp: tuple[NtpServer, ...] = DEFAULT_NTP


class DeviceSettings(Table):
    """All tables of the file."""

    device: Device
    hub: HubAccess | None = None
    ocpp: Ocpp | None = None
    wifi: Wifi | None = None
    ethernet: Ethernet | None = None
    tls: Tls | None = None
    telemetry: Telemetry = Telemetry()
    commands: Commands = Commands()
    clock: Clock = Clock()
    log: Log = Log()

    @model_validator(mode="after")
    def _somewhere_to_go(self) -> DeviceSettings:
        if self.hub is None and self.ocpp is None:
            raise misfit(
                ("hub",),
                "there is nowhere to connect to: add [hub] for a device on a hub, [ocpp] for a "
                "charging point, or both",
            )
        return self

    @model_validator(mode="after")
    def _one_link(self) -> DeviceSettings:
        if self.wifi is not None and self.ethernet is not None:
            raise misfit(
                ("ethernet",), "a board uses Wi-Fi or a cable: leave out wifi or ethernet"
            )
        return self

    @model_validator(mode="after")
    def _senders_are_known(self) -> DeviceSettings:
        # DataMessage of the protobuf subprotocols has no field for the sender's user id.
        if self.hub and self.commands.users and self.hub.protocol.startswith("protobuf."):
            raise misfit(
                ("commands", "users"),
                "protobuf messages do not say who sent them: leave this out (the server is "
                "obeyed all the same), or choose a json subprotocol in hub.protocol",
            )
        return self

    def ca_names(self) -> tuple[str, ...]:
        """Which CA certificates go on the board.

        Raises:
            ValueError: a server needs some and none are named.
        """
        return tuple(name for _, names in self.servers() for name in names())

    def servers(self) -> tuple[tuple[tuple[str, ...], Callable[[], tuple[str, ...]]], ...]:
        """Whom the board connects to: the key that names a server, and what gives its CAs."""
        of_hub = ("hub", "endpoint") if self.tls is None else ("tls", "ca")
        return (
            (of_hub, self._hub_ca_names),
            (("hub", "negotiate"), self._negotiate_ca_names),
            (("ocpp",), self._ocpp_ca_names),
        )

    def _hub_ca_names(self) -> tuple[str, ...]:
        # Under [tls] those of the other servers may be, too.
        if self.tls is not None:
            return self.tls.ca
        if self.hub is None or is_plain(self.hub.endpoint):
            return ()
        if is_azure(self.hub.endpoint):
            return (AZURE,)
        raise ValueError(
            'this endpoint is not Azure\'s: name its CA under [tls], such as ca = ["ca.pem"]'
        )

    def _negotiate_ca_names(self) -> tuple[str, ...]:
        server = None if self.hub is None else self.hub.negotiate
        if server is None or server.ca:
            return () if server is None else server.ca
        if is_plain(server.origin) or self.tls is not None:
            return ()
        if is_azure(server.origin):
            return (AZURE,)
        raise ValueError(
            "the server of hub.negotiate is not Azure's: name its CA there, such as "
            'ca = ["ca.pem"]'
        )

    def _ocpp_ca_names(self) -> tuple[str, ...]:
        if self.ocpp is None or self.ocpp.ca:
            return () if self.ocpp is None else self.ocpp.ca
        if is_plain(self.ocpp.origin) or self.tls is not None:
            return ()
        if is_azure(self.ocpp.origin):
            return (AZURE,)
        raise ValueError('this server is not Azure\'s: name its CA here, such as ca = ["ca.pem"]')


# Of Web PubSub, and of what runs a negotiate server: Functions and App Service.
_AZURE = (".webpubsub.azure.com", ".azurewebsites.net")


def is_azure(endpoint: str) -> bool:
    """Whether an endpoint is one of Azure's own names."""
    return (split_endpoint(endpoint).hostname or "").endswith(_AZURE)


def negotiate_key_problem(key: str) -> str | None:
    """Why a text is no key for a negotiate server; None when it is one."""
    if len(key) > _LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        return (
            f"a key is at most {_LONGEST_KEY} ASCII characters without blanks: make one with "
            'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return None


def wifi_password_problem(password: str) -> str | None:
    """Why a text is no WPA password; None when it is one (IEEE 802.11, annex J)."""
    if len(password) == 64:
        if re.fullmatch("[0-9A-Fa-f]{64}", password):
            return None
        return "64 characters must be hexadecimal digits: check the password"
    if not 8 <= len(password) <= 63:
        return f"{len(password)} characters: WPA takes 8 to 63: check the password"
    if not all(" " <= character <= "~" for character in password):
        return "WPA takes printable ASCII characters only: check the password"
    return None
