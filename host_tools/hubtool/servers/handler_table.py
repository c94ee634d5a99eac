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

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator

from ..names import check_identity, check_role
from ..secrets import Secret, SecretSource
from ..settings.fields import SecretPlace, Table
from ..settings.file import SettingsFile
from ..settings.model import GroupName

_FAMILIES = ("query", "header", "claim")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
# Roles whose end is a pattern: what a device says about itself must not act as one there.
_PATTERN_ROLES = ("webpubsub.joinLeaveGroups.", "webpubsub.sendToGroups.")
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


class HandlerDevice(Table):
    """One `[[handler.devices]]`: conditions, and what is granted when they hold."""

    match: Match = Field(min_length=1)
    user_id: Annotated[str, AfterValidator(check_identity)] | None = None
    roles: tuple[Annotated[str, AfterValidator(check_role)], ...] | None = None
    groups: tuple[GroupName, ...] | None = None
    subprotocol: str | None = None

    @model_validator(mode="after")
    def _checks(self) -> HandlerDevice:
        for text in (self.user_id or "", *(self.roles or ()), *(self.groups or ())):
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
        if self.subprotocol is not None:
            answer["subprotocol"] = self.subprotocol
        return answer


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
    """

    host: str = "127.0.0.1"
    port: StrictInt = Field(8080, ge=0, le=65535)
    allowed_origins: tuple[str, ...] = ("*",)
    access_keys: tuple[SecretPlace, ...] = ()
    devices: tuple[HandlerDevice, ...] = Field(min_length=1)


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
        reasons: list[str] = []
        for number, (rule, conditions) in enumerate(self._rules, 1):
            failed = list(_failures(rule, conditions, request, self.secrets))
            if not failed:
                return rule.grant(request), f"rule {number}"
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
    if rule.subprotocol is not None and rule.subprotocol not in request.subprotocols:
        # The service answers 500 to a subprotocol that was not offered.
        yield f"subprotocol '{rule.subprotocol}' is not offered"
