"""What the operations do: sending, closing, looking, grouping, permitting, handing out tokens.

Each takes a Call, whose values are checked already, and returns what the answer's JSON says, or
None for an answer without a body. Each may raise RestError, with the HTTP status of the answer.
Source: Azure Web PubSub, REST API, data plane, 2024-12-01.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ..errors import LimitError, RoleError
from ..hub.connection import Connection
from ..hub.permissions import Permissions
from ..names import not_served
from ..protocol.frames import NORMAL
from ..protocol.messages import Message
from .errors import RestError
from .operations import Call
from .paging import next_link, page_of
from .parameters import DEFAULT_CLIENT

_DEFAULT_REASON = "Closed by REST API."


def health(call: Call) -> None:
    """The service answers: it is healthy."""


# -- selecting ------------------------------------------------------------------------------


def _selected(call: Call, connections: Collection[Connection]) -> Iterable[Connection]:
    """What `excluded` and `filter` leave of some connections."""
    excluded, wanted = call.values.get("excluded"), call.values.get("filter")
    if excluded:
        ids = frozenset(excluded)
        connections = [one for one in connections if one.id not in ids]
    if wanted is not None:
        connections = [one for one in connections if wanted.matches(one)]
    return connections


def _everyone(call: Call) -> Collection[Connection]:
    return tuple(call.hub.connections.values())


def _of_group(call: Call) -> Collection[Connection]:
    return call.hub.members(call.values["group"])


def _of_user(call: Call) -> Collection[Connection]:
    return call.hub.connections_of_user(call.values["userId"])


def _one(call: Call) -> Connection | None:
    return call.hub.connections.get(call.values["connectionId"])


def _one_or_404(call: Call) -> Connection:
    connection = _one(call)
    if connection is None:
        raise RestError(404, "There is no such connection.", target="connectionId")
    return connection


# -- sending --------------------------------------------------------------------------------


def _send(call: Call, receivers: Collection[Connection], group: str | None = None) -> None:
    seconds = call.values["messageTtlSeconds"]
    # 0 means that it never expires (REST data plane, `messageTtlSeconds`).
    message = Message(call.body, group)
    call.hub.deliver(message, _selected(call, receivers), time_to_live=seconds or None)


def send_to_all(call: Call) -> None:
    """To every connection of the hub."""
    _send(call, _everyone(call))


def send_to_group(call: Call) -> None:
    """To the members of a group; they learn the group, but no sender."""
    _send(call, _of_group(call), call.values["group"])


def send_to_user(call: Call) -> None:
    """To every connection of a user."""
    _send(call, _of_user(call))


def send_to_connection(call: Call) -> None:
    """To one connection; success also when there is none, as in Azure."""
    connection = _one(call)
    _send(call, () if connection is None else (connection,))


# -- closing --------------------------------------------------------------------------------


def _close(call: Call, connections: Iterable[Connection]) -> None:
    # The session ends as well, so that a client that tries to recover it gets 1008.
    call.hub.close(connections, NORMAL, call.values["reason"] or _DEFAULT_REASON)


def close_all(call: Call) -> None:
    """Every connection of the hub."""
    _close(call, _selected(call, _everyone(call)))


def close_group(call: Call) -> None:
    """The members of a group."""
    _close(call, _selected(call, _of_group(call)))


def close_user(call: Call) -> None:
    """The connections of a user."""
    _close(call, _selected(call, _of_user(call)))


def close_connection(call: Call) -> None:
    """One connection; harmless when it is gone already."""
    connection = _one(call)
    if connection is not None:
        _close(call, (connection,))


# -- looking --------------------------------------------------------------------------------


def connection_exists(call: Call) -> None:
    """A detached session exists still."""
    _one_or_404(call)


def group_exists(call: Call) -> None:
    """A group exists while it has a member."""
    if not _of_group(call):
        raise RestError(404, "The group has no members.", target="group")


def user_exists(call: Call) -> None:
    """A user exists while it has a connection."""
    if not _of_user(call):
        raise RestError(404, "The user has no connections.", target="userId")


def list_members(call: Call) -> dict[str, Any]:
    """One page of a group's members, by connection id."""
    page, token = page_of(_of_group(call), call.values["continuationToken"], _page_size(call))
    members: dict[str, Any] = {"value": [_member(connection) for connection in page]}
    top = call.values["top"]
    if token is not None and (top is None or top > len(page)):
        members["nextLink"] = next_link(call, token, None if top is None else top - len(page))
    return members


def _page_size(call: Call) -> int:
    size: int = call.values["maxpagesize"]
    top: int | None = call.values["top"]
    return size if top is None else min(size, top)


def _member(connection: Connection) -> dict[str, str]:
    member = {"connectionId": connection.id}
    if connection.user_id is not None:
        member["userId"] = connection.user_id
    return member


# -- groups ---------------------------------------------------------------------------------


def _add(call: Call, connections: Collection[Connection], groups: Collection[str]) -> None:
    """Make connections members of groups: all of them, or none when a limit is in the way."""
    try:
        for connection in connections:
            call.hub.check_group_limit(connection, groups)
    except LimitError as error:
        raise RestError(400, f"Too many groups: {error}.", target="group") from None
    for connection in connections:
        for group in groups:
            call.hub.join(connection, group)


def add_connection_to_group(call: Call) -> None:
    """Needs no right of the client."""
    _add(call, (_one_or_404(call),), (call.values["group"],))


def remove_connection_from_group(call: Call) -> None:
    """Harmless when it is no member, or gone."""
    connection = _one(call)
    if connection is not None:
        call.hub.leave(connection, call.values["group"])


def remove_connection_from_all_groups(call: Call) -> None:
    """Harmless when it is gone."""
    connection = _one(call)
    if connection is not None:
        _leave_all(call, connection)


def add_user_to_group(call: Call) -> None:
    """All connections that the user has now; not those to come."""
    user_exists(call)
    _add(call, _of_user(call), (call.values["group"],))


def remove_user_from_group(call: Call) -> None:
    """All connections of the user."""
    for connection in _of_user(call):
        call.hub.leave(connection, call.values["group"])


def remove_user_from_all_groups(call: Call) -> None:
    """All connections of the user."""
    for connection in _of_user(call):
        _leave_all(call, connection)


def _leave_all(call: Call, connection: Connection) -> None:
    for group in tuple(connection.groups):
        call.hub.leave(connection, group)


def add_to_groups(call: Call) -> None:
    """All connections of the hub that the filter selects."""
    _add(call, _matching(call), call.body.groups)


def remove_from_groups(call: Call) -> None:
    """All connections of the hub that the filter selects."""
    for connection in _matching(call):
        for group in call.body.groups:
            call.hub.leave(connection, group)


def _matching(call: Call) -> list[Connection]:
    # Chosen before the first one joins: the filter may ask for the very same groups.
    wanted = call.body.filter
    return [one for one in _everyone(call) if wanted is None or wanted.matches(one)]


# -- permissions ----------------------------------------------------------------------------


def grant_permission(call: Call) -> None:
    """The right lasts as long as the connection."""
    connection = _one_or_404(call)
    try:
        connection.permissions.grant(call.values["permission"], call.values["targetName"])
    except RoleError as error:
        raise RestError(409, f"Too many rights: {error}.", target="targetName") from None


def revoke_permission(call: Call) -> None:
    """Memberships that the client has already stay."""
    connection = _one(call)
    if connection is not None:
        try:
            connection.permissions.revoke(call.values["permission"], call.values["targetName"])
        except RoleError as error:
            raise RestError(409, f"Too many revocations: {error}.", target="targetName") from None


def check_permission(call: Call) -> None:
    """Whether the connection exists and has the right."""
    permissions = _one_or_404(call).permissions
    if not permissions.has(call.values["permission"], call.values["targetName"]):
        raise RestError(404, "The connection does not have the right.")


# -- tokens ---------------------------------------------------------------------------------


def generate_token(call: Call) -> dict[str, str]:
    """A Client Access Token that the service signs with a key of its own."""
    values = call.values
    if values["clientType"] != DEFAULT_CLIENT:
        # Nobody could use the token. Microsoft's emulator answers so for MQTT
        # (WebPubSubEmulatorController.Tokens.cs).
        text = not_served(values["clientType"].lower())
        raise RestError(501, text, target="clientType")
    try:
        Permissions(values["role"])
    except RoleError as error:
        raise RestError(400, f"Invalid role: {error}.", target="role") from None
    token = call.issue_token(
        call.hub.name,
        origin=call.origin,
        user_id=values["userId"],
        roles=values["role"],
        groups=values["group"],
        lifetime=values["minutesToExpire"] * 60,
    )
    return {"token": token}
