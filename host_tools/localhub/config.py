"""The configuration file: one TOML file with the ARM property names in snake_case."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from micropython_webpubsub.text_files import NotUtf8, read_text
from micropython_webpubsub.toml_errors import explain_toml_error
from micropython_webpubsub.toml_lines import line_of, lines_of
from micropython_webpubsub.validation import dotted, in_words, matching
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from .entra.settings import (
    CustomRole,
    EntraSettings,
    Principal,
    RoleAssignment,
)
from .errors import ConfigError
from .names import is_hub_name

# Microsoft's emulator asks for as much; PyJWT warns below it.
MIN_KEY_LENGTH = 32
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


_Origin = matching(r"https?://[^/]+/?", "write it as https://host or http://host:port")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Count = Annotated[StrictInt, Field(ge=1)]
Seconds = Annotated[StrictFloat, Field(gt=0, le=3600)]
Pause = Annotated[StrictFloat, Field(ge=0)]
AccessKey = Annotated[str, Field(min_length=MIN_KEY_LENGTH)]
Port = Annotated[StrictInt, Field(ge=0, le=65535)]


class _Table(BaseModel):
    # Inputs never appear in an error text: one of them is an access key.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ManagedIdentity(_Table):
    """`auth.managed_identity` of an event handler.

    Attributes:
        resource: becomes the audience of the token: the handler's application id or its URI.
    """

    resource: Annotated[str, Field(min_length=1, max_length=1024)]


class Auth(_Table):
    """`auth` of an event handler: how the service proves to it who calls."""

    type: Literal["None", "ManagedIdentity"] = "None"
    managed_identity: ManagedIdentity | None = None

    @model_validator(mode="after")
    def _check(self) -> Auth:
        if (self.type == "ManagedIdentity") != (self.managed_identity is not None):
            raise ValueError(
                'write it as { type = "ManagedIdentity", managed_identity = { resource = "..." } }'
            )
        return self


class EventHandler(_Table):
    """One entry of `event_handlers`; the first that matches an event gets it."""

    url_template: str
    user_event_pattern: str = ""
    system_events: tuple[Literal["connect", "connected", "disconnected"], ...] = ()
    auth: Auth = Auth()

    @field_validator("url_template")
    @classmethod
    def _check_url(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        host = re.split(r"[/?#]", rest, maxsplit=1)[0]
        if scheme.lower() not in ("http", "https") or not separator or not host:
            raise ValueError("write it as http://host:port/path or https://host:port/path")
        if "{" in host:
            raise ValueError("{hub} and {event} may stand in the path, not in the host name")
        for name in _PLACEHOLDER.findall(url):
            if name not in ("hub", "event"):
                raise ValueError(
                    f"{{{name}}} is unknown: only {{hub}} and {{event}} are filled in"
                )
        return url


class HubSettings(_Table):
    """One entry of `hubs`. A hub without one exists too, with the defaults."""

    name: str
    anonymous_connect_policy: Annotated[Literal["allow", "deny"], BeforeValidator(_lower)] = "deny"
    web_socket_keep_alive_interval_in_seconds: Annotated[StrictInt, Field(ge=1, le=120)] = 20
    event_handlers: tuple[EventHandler, ...] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not is_hub_name(name):
            raise ValueError("a hub name has 1 to 128 letters, digits or _`,.[] after a letter")
        return name


class Tls(_Table):
    """`service.tls`: a second listener with a certificate of a local CA."""

    port: Port = 0


class ServiceLimits(_Table):
    """`service.limits`: where growth ends, for everything that a peer could make grow.

    Attributes:
        connections: of the service: live ones, sessions that wait for their client, and
            clients that are just being let in.
        connections_per_address: how many of them one peer address may have.
        http_connections: open TCP connections that are no WebSockets (yet).
        request_timeout_in_seconds: for a TLS handshake, again for the head of the first request,
            and twice as long for a body.
        unfinished_message_bytes: of messages that have come in part, of all clients together.
        groups_per_connection: groups that one connection may be in.
        pending_events: events that wait for their handler; from there on no clients are let in
            at hubs with event handlers, and those that send events are read no further.
    """

    connections: Count = 50_000
    connections_per_address: Count = 20_000
    http_connections: Count = 4_096
    request_timeout_in_seconds: Seconds = 30
    unfinished_message_bytes: Annotated[StrictInt, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    groups_per_connection: Count = 10_000
    pending_events: Count = 10_000


class Service(_Table):
    """`service`: where it listens, its keys, its times.

    Attributes:
        port: None means 7080 for `serve` and a free port for an in-process LocalHub.
        disable_local_auth: refuse tokens that are signed with an access key.
        disable_aad_auth: refuse tokens of Microsoft Entra ID.
        state_file: where generated keys are kept, relative to the configuration file.
        public_endpoints: further endpoints that clients know the service by, such as that of
            a reverse proxy; tokens may name them as their audience.
        max_streams_per_connection: how many streams a client may have open.
        stream_idle_timeout_in_seconds: silence after which a stream ends whose start does not
            say; Azure's is 300.
        ack_delay_in_seconds: holds every ack back. Microsoft's synchronous Python client
            overlooks acks that arrive at once, as they do on loopback; 0.01 spares it that.
        forward_basic_authorization: whether a connect handler gets what a client sends as
            `Authorization: Basic`, as charging points do. Whether Azure tells it is not
            documented; Microsoft's emulator does not.
        faults: whether programs on this computer may make things go wrong, at `/faults`.
        page: whether there is a page at `/`. None means for this computer, if the service
            listens on loopback; true means for everybody who can reach it.
    """

    host: str = "127.0.0.1"
    port: Port | None = None
    access_key: AccessKey | None = Field(default=None, repr=False)
    secondary_access_key: AccessKey | None = Field(default=None, repr=False)
    disable_local_auth: StrictBool = False
    disable_aad_auth: StrictBool = False
    tls: Tls | None = None
    limits: ServiceLimits = ServiceLimits()
    state_file: Path | None = None
    public_endpoints: tuple[Annotated[str, _Origin], ...] = ()
    session_retention_in_seconds: Seconds = 30
    event_handler_timeout_in_seconds: Seconds = 100
    event_handler_retry_delays_in_seconds: tuple[Pause, ...] = (1, 3, 5)
    max_streams_per_connection: Annotated[StrictInt, Field(ge=1, le=10_000)] = 100
    stream_idle_timeout_in_seconds: Seconds = 300
    ack_delay_in_seconds: Annotated[StrictFloat, Field(ge=0, le=10)] = 0
    forward_basic_authorization: StrictBool = False
    faults: StrictBool = False
    page: StrictBool | None = None


class Config(_Table):
    """What a configuration file holds. `handler` and `negotiate` belong to other tools."""

    service: Service = Service()
    hubs: tuple[HubSettings, ...] = ()
    handler: dict[str, Any] = Field(default_factory=dict, repr=False)
    negotiate: dict[str, Any] = Field(default_factory=dict, repr=False)
    entra: EntraSettings | None = None
    _path: Path | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Keep where it comes from, a path, which `load` validates it in the context of."""
        self._path = context

    @field_validator("hubs")
    @classmethod
    def _check_hubs(cls, hubs: tuple[HubSettings, ...]) -> tuple[HubSettings, ...]:
        seen: set[str] = set()
        for hub in hubs:
            if hub.name.lower() in seen:
                raise ValueError(f"hub '{hub.name}' is there twice (case does not count)")
            seen.add(hub.name.lower())
        return hubs

    @property
    def state_file(self) -> Path | None:
        """The state file's place, or None when keys are to stay in memory."""
        name = self.service.state_file
        if name is None:
            return None
        return name if self._path is None else self._path.parent / name

    @property
    def path(self) -> Path | None:
        """The file that the configuration comes from, if it comes from one."""
        return self._path

    @property
    def uses_managed_identity(self) -> bool:
        """Whether an event handler wants to be shown a token of Microsoft Entra ID."""
        handlers = (one for hub in self.hubs for one in hub.event_handlers)
        return any(one.auth.managed_identity is not None for one in handlers)

    def hub(self, name: str) -> HubSettings:
        """The settings of a hub, by name in any case; defaults for one that is not listed."""
        for hub in self.hubs:
            if hub.name.lower() == name.lower():
                return hub
        return HubSettings(name=name)

    def for_serving(self, port: int, state_file: Path) -> Config:
        """The same with a port and a place for generated keys, where they are not set."""
        service = self.service
        changes: dict[str, Any] = {}
        if service.port is None:
            changes["port"] = port
        if service.state_file is None:
            changes["state_file"] = state_file.absolute()
        return self.model_copy(update={"service": service.model_copy(update=changes)})

    @classmethod
    def load(cls, source: Config | Mapping[str, Any] | Path | str | None) -> Config:
        """Make a configuration from whatever the caller has.

        Args:
            source: a configuration, a mapping like the TOML file, the path of a TOML file, or
                None for the defaults.

        Raises:
            ConfigError: the file cannot be read, or something in it is wrong.
        """
        if isinstance(source, Config):
            return source
        if source is None or isinstance(source, Mapping):
            return cls._validated(dict(source or {}), "configuration", "")
        path = Path(source)
        try:
            text = read_text(path)
            content = tomllib.loads(text)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}: name a readable TOML file") from None
        except NotUtf8 as error:
            raise ConfigError(f"{path}: {error}") from None
        except tomllib.TOMLDecodeError as error:
            line, message = explain_toml_error(text, str(error))
            raise ConfigError(f"{path}, line {line}: not TOML: {message}") from None
        except RecursionError:
            raise ConfigError(
                f"{path}: not TOML: tables or lists too deep in each other"
            ) from None
        if "device" in content and not {"service", "hubs"} & set(content):
            raise ConfigError(
                f"{path}: these are the settings of a device, for `hubtool configure`: a "
                "configuration of the service has [service] and [[hubs]]"
            )
        return cls._validated(content, str(path), text, path)

    @classmethod
    def _validated(
        cls, content: dict[str, Any], where: str, text: str, path: Path | None = None
    ) -> Config:
        try:
            return cls.model_validate(content, context=path)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            # A misspelled key is an unknown one and a missing one: what was written comes first.
            first = min(errors, key=lambda one: one["type"] != "extra_forbidden")
            raise ConfigError(_one_line(where, text, dict(first))) from None


def _one_line(where: str, text: str, error: dict[str, Any]) -> str:
    """What is wrong, where, and what to write instead."""
    location: tuple[str | int, ...] = error["loc"]
    key = str(location[-1]) if location else ""
    # A file has lines; what comes from a program has none.
    line = f", line {line_of(lines_of(text), location)}" if text and location else ""
    place = f"{where}{line}: {dotted(location)}"
    if error["type"] == "extra_forbidden":
        known = _known_keys(location)
        close = [name for name in known if key in name]
        close += difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
        return f"{place}: unknown key: {hint}"
    if error["type"] == "missing":
        return f"{place}: missing: add it"
    return f"{place}: {in_words(error)}"


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys of the table in which a location lies."""
    table: Any = Config
    for part in location[:-1]:
        if isinstance(part, str):
            table = _TABLES[part]
    return list(table.model_fields)


_TABLES: dict[str, type[BaseModel]] = {
    "service": Service,
    "tls": Tls,
    "limits": ServiceLimits,
    "hubs": HubSettings,
    "event_handlers": EventHandler,
    "auth": Auth,
    "managed_identity": ManagedIdentity,
    "entra": EntraSettings,
    "principals": Principal,
    "role_definitions": CustomRole,
    "role_assignments": RoleAssignment,
}
