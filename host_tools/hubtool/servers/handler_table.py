"""Which devices may connect, and what they are granted: `[handler]` of a configuration file.

A rule matches when all its conditions hold; the first rule that matches counts:

    [[handler.devices]]
    match = { query.id = "CP-*" }
    user_id = "{query.id}"
    roles = ["webpubsub.sendToGroup.telemetry"]
    groups = ["commands"]
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    model_validator,
)

from ..names import check_identity, check_role
from ..secrets import Secret, SecretSource
from ..settings.fields import SecretPlace, Table
from ..settings.file import SettingsFile
from ..settings.model import GroupName
from .gateway_core import encoded

_FAMILIES = ("query", "header", "claim")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
# Roles whose end is a pattern: what a device says about itself must not act as one there.
_PATTERN_ROLES = ("webpubsub.joinLeaveGroups.", "webpubsub.sendToGroups.")
_OCPP = "ocpp1.6"
_SHOWN = 60
_REASONS = 10


@dataclass(frozen=True)
class ConnectRequest:
    """What a device presents when it connects: the body of the `connect` event.

    Every value is a list, as in the event. Header names are in lower case.

    Attributes:
        query: of its URL; a name may have several values.
        headers: of its request; names in lower case.
        claims: of its token, the same way.
        subprotocols: those that it offers, in its order.
    """

    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    claims: Mapping[str, list[str]] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()

    @classmethod
    def from_event(cls, body: Any) -> ConnectRequest:
        """Read the body of a `connect` event.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(body, dict):
            raise ValueError("the body of a connect event is an object")
        headers = {name.lower(): value for name, value in _lists(body, "headers").items()}
        offered = body.get("subprotocols")
        if offered is None:
            offered = []
        if not isinstance(offered, list):
            raise ValueError("subprotocols is a list")
        return cls(
            _lists(body, "query"),
            headers,
            _lists(body, "claims"),
            tuple(str(item) for item in offered),
        )

    def value(self, name: str) -> str | None:
        """The value of `query.x`, `header.x` or `claim.x`; None unless there is exactly one.

        With several values a device could be matched by one and named after another.
        """
        family, _, key = name.partition(".")
        source = {"query": self.query, "header": self.headers, "claim": self.claims}[family]
        values = source.get(key.lower() if family == "header" else key, [])
        return values[0] if len(values) == 1 else None


def _lists(body: dict[str, Any], name: str) -> dict[str, list[str]]:
    found = body.get(name) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{name} is an object")
    return {
        str(key): [str(item) for item in value] if isinstance(value, list) else [str(value)]
        for key, value in found.items()
    }


def _conditions(value: Any) -> Any:
    """`{query: {id: "CP-*"}}`, as TOML reads `query.id`, becomes `{"query.id": "CP-*"}`.

    Raises:
        ValueError: a name is none that can be matched.
    """
    if not isinstance(value, dict):
        return value
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if name in _FAMILIES and isinstance(inner, dict):
            flat.update({f"{name}.{key}": pattern for key, pattern in inner.items()})
        else:
            flat[name] = inner
    for name, wanted in flat.items():
        family, _, key = name.partition(".")
        if name != "subprotocol" and not (family in _FAMILIES and key):
            raise ValueError(
                f"'{name}' cannot be matched: use query.NAME, header.NAME, claim.NAME "
                "or subprotocol"
            )
        if name == "subprotocol" and not isinstance(wanted, str):
            raise ValueError("subprotocol takes a pattern")
    return flat


Match = Annotated["dict[str, str | SecretSource]", BeforeValidator(_conditions)]


def _central_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("a central system is at ws:// or wss://, such as wss://csms.example/ocpp")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no credentials in a URL: use central_user and central_key")
    if parts.fragment or not all("!" <= character <= "~" for character in value):
        raise ValueError("a URL has no '#', no blanks and only ASCII: percent-encode them")
    if "{" in parts.netloc:
        raise ValueError("what a device says must not choose the host")
    if re.search("[{}]", _TEMPLATE.sub("", value)):
        raise ValueError("write a name in braces, such as {query.id}")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port is no number from 0 to 65535") from None
    return value


def _value_name(name: str) -> str:
    family, _, key = name.partition(".")
    if family not in _FAMILIES or not key:
        raise ValueError(f"'{name}' is no value of a device: use header.NAME or query.NAME")
    return name


class HandlerDevice(Table):
    """One `[[handler.devices]]`: conditions, and what is granted when they hold.

    Attributes:
        central_system: URL of a WebSocket server that the device is carried to.
        central_ca: PEM file of the certificates that are trusted there.
        central_user, central_key: Basic credentials for it; the user is `user_id` when absent.
        central_authorization: which value of the device is handed through in place of them.
    """

    match: Match = Field(min_length=1)
    user_id: Annotated[str, AfterValidator(check_identity)] | None = None
    roles: tuple[Annotated[str, AfterValidator(check_role)], ...] | None = None
    groups: tuple[GroupName, ...] | None = None
    subprotocol: str | None = None
    central_system: Annotated[str, AfterValidator(_central_url)] | None = None
    central_ca: Path | None = None
    central_user: str | None = None
    central_key: SecretPlace | None = None
    central_authorization: Annotated[str, AfterValidator(_value_name)] = "header.authorization"

    @property
    def chosen(self) -> str | None:
        """The subprotocol that the device gets."""
        return _OCPP if self.subprotocol is None and self.central_system else self.subprotocol

    @model_validator(mode="after")
    def _central(self) -> HandlerDevice:
        if self.central_system is None:
            if self.central_ca or self.central_user or self.central_key:
                raise ValueError("central_ca, central_user and central_key need a central_system")
        elif self.user_id is None:
            raise ValueError("central_system needs a user_id: the service drops who has none")
        elif self.central_user is not None and self.central_key is None:
            raise ValueError("central_user needs a central_key")
        elif self.central_ca is not None and self.central_system.startswith("ws:"):
            raise ValueError("central_ca is for wss://")
        return self

    @model_validator(mode="after")
    def _checks(self) -> HandlerDevice:
        for text in (
            self.user_id or "",
            *(self.roles or ()),
            *(self.groups or ()),
            self.central_system or "",
            self.central_user or "",
        ):
            for name in _TEMPLATE.findall(text):
                if not isinstance(self.match.get(name), str) or name == "subprotocol":
                    raise ValueError(f"'{{{name}}}' in '{text}' is not among the matched names")
        return self

    def grant(self, request: ConnectRequest) -> dict[str, Any]:
        """The answer to the `connect` event for a request that matches."""
        answer: dict[str, Any] = {}
        if self.user_id is not None:
            answer["userId"] = _fill(self.user_id, request)
        if self.roles is not None:
            answer["roles"] = [_fill(role, request) for role in self.roles]
        if self.groups is not None:
            answer["groups"] = [_fill(group, request) for group in self.groups]
        if self.chosen is not None:
            answer["subprotocol"] = self.chosen
        return answer

    def central_url(self, request: ConnectRequest) -> str:
        """The URL of the central system for a request that matches.

        Raises:
            ValueError: what the device says cannot be put into it.
        """
        return _TEMPLATE.sub(
            lambda found: encoded(request.value(found[1]) or ""), self.central_system or ""
        )

    def central_name(self, request: ConnectRequest) -> str:
        """The user of the Basic credentials for the central system."""
        return _fill(self.central_user or self.user_id or "", request)


def _fill(text: str, request: ConnectRequest) -> str:
    escape = text.startswith(_PATTERN_ROLES)

    def value(found: re.Match[str]) -> str:
        given = request.value(found[1]) or ""
        return re.sub(r"([\\*?])", r"\\\1", given) if escape else given

    return _TEMPLATE.sub(value, text)


class HandlerTable(Table):
    """The `[handler]` table.

    Attributes:
        host, port: where the handler listens.
        allowed_origins: patterns of the services that may send events here, for abuse protection.
        access_keys: of the service; with them, events that are not signed by one are refused.
        devices: the rules; the first that matches counts.
        connection_string: of the service, for what central systems send to devices.
        endpoint: in place of it, for Microsoft Entra ID.
        central_timeout: seconds for a central system to accept a connection.
        central_connections: how many at most.
    """

    host: str = "127.0.0.1"
    port: StrictInt = Field(8080, ge=0, le=65535)
    allowed_origins: tuple[str, ...] = ("*",)
    access_keys: tuple[SecretPlace, ...] = ()
    devices: tuple[HandlerDevice, ...] = Field(min_length=1)
    connection_string: SecretPlace | None = None
    endpoint: str | None = None
    central_timeout: StrictFloat = Field(5.0, ge=0.1, le=60)
    central_connections: StrictInt = Field(1000, ge=1, le=50_000)

    @model_validator(mode="after")
    def _one_service(self) -> HandlerTable:
        given = (self.connection_string is not None) + (self.endpoint is not None)
        if given == 2:
            raise ValueError("give one of connection_string and endpoint (Microsoft Entra ID)")
        if not given and any(rule.central_system for rule in self.devices):
            raise ValueError(
                "central_system needs handler.connection_string, or handler.endpoint for "
                "Microsoft Entra ID: devices are answered by the service's REST API"
            )
        return self


def load_handler_table(path: Path) -> HandlerTable | None:
    """The `[handler]` table of a file; None when it has none.

    Raises:
        HubtoolError: a key is unknown or wrong; the text names file, line and remedy.
    """
    return SettingsFile(path).check_table("handler", HandlerTable)


class DeviceRules:
    """The rules of a table, with their secrets fetched.

    Attributes:
        secrets: what must not be shown.
    """

    def __init__(self, table: HandlerTable, folder: Path) -> None:
        """Fetch the secrets that rules compare with.

        Raises:
            HubtoolError: one of them cannot be fetched.
        """
        self._rules = [
            (
                rule,
                {
                    name: wanted.resolve(f"match.{name}", folder, exact=True)
                    if isinstance(wanted, SecretSource)
                    else wanted
                    for name, wanted in rule.match.items()
                },
            )
            for rule in table.devices
        ]
        fetched = [one for _, found in self._rules for one in found.values()]
        self.secrets = [one.get_secret_value() for one in fetched if isinstance(one, Secret)]

    def decide(self, request: ConnectRequest) -> tuple[dict[str, Any] | None, str]:
        """Find the first rule that matches.

        Returns:
            The answer to the event and which rule it is of, such as "rule 2"; or None and the
            reason of the refusal, which shows no secret.
        """
        rule, why = self.find(request)
        return (None if rule is None else rule.grant(request)), why

    def find(self, request: ConnectRequest) -> tuple[HandlerDevice | None, str]:
        """Find the first rule that matches, and say why as `decide` does."""
        reasons: list[str] = []
        for number, (rule, conditions) in enumerate(self._rules, 1):
            failed = list(_failures(rule, conditions, request, self.secrets))
            if not failed:
                return rule, f"rule {number}"
            if len(reasons) < _REASONS:
                reasons.append(f"rule {number}: {failed[0]}")
        more = len(self._rules) - len(reasons)
        if more:
            reasons.append(f"{more} more rules do not match")
        return None, "; ".join(reasons)


def _bytes(text: str) -> bytes:
    # JSON may hold half characters, which are no UTF-8.
    return text.encode("utf-8", "surrogatepass")


def _failures(
    rule: HandlerDevice,
    conditions: Mapping[str, str | Secret],
    request: ConnectRequest,
    secrets: Collection[str],
) -> Iterable[str]:
    for name, wanted in conditions.items():
        if name == "subprotocol":
            if not any(fnmatchcase(offered, str(wanted)) for offered in request.subprotocols):
                yield f"no subprotocol like '{wanted}' is offered"
            continue
        value = request.value(name)
        if value is None:
            yield f"{name} is missing or given twice"
        elif isinstance(wanted, Secret):
            if not hmac.compare_digest(_bytes(wanted.get_secret_value()), _bytes(value)):
                yield f"{name} is wrong"
        elif not fnmatchcase(value, wanted):
            # Without wildcards it may be a password: then neither side is shown.
            if not any(mark in wanted for mark in "*?["):
                yield f"{name} differs"
            # A device may have sent its key where another value belongs.
            elif any(secret in value for secret in secrets):
                yield f"{name} holds a secret, and is not like '{wanted}'"
            else:
                yield f"{name} {value[:_SHOWN]!r} is not like '{wanted}'"
    if rule.chosen is not None and rule.chosen not in request.subprotocols:
        # The service answers 500 to a subprotocol that was not offered.
        yield f"subprotocol '{rule.chosen}' is not offered"
