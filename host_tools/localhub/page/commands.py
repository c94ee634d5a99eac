"""What the page may do: publish, and end a connection."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from micropython_webpubsub.validation import first_problem, one_line
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..errors import ProtocolError
from ..hub.connection import Connection
from ..names import is_group_name, is_hub_name
from ..protocol.frames import NORMAL
from ..protocol.json_members import check_json
from ..protocol.messages import DataKind, Payload
from ..runtime import HubRuntime, Hubs
from .preview import short

# What a client's message may have, too.
MAX_DATA = 1024 * 1024
_MAX_REASON = 123
_DEFAULT_REASON = "Closed on the page of the service."


class CommandError(Exception):
    """A command cannot be carried out; the text is one line and names the remedy.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def _check_hub(name: str) -> str:
    if not is_hub_name(name):
        raise ValueError("name a hub: 1 to 128 letters, digits or _`,.[] after a letter")
    return name


def _check_reason(reason: str) -> str:
    if len(reason.encode("utf-8", "replace")) > _MAX_REASON:
        raise ValueError(f"a Close frame has room for {_MAX_REASON} bytes: shorten it")
    return reason


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    hub: Annotated[str, AfterValidator(_check_hub)]


class Publish(_Command):
    """A message of the application server.

    Attributes:
        hub: the hub.
        to: kind of receiver.
        target: group, user id or connection id; nothing for all.
        data_type: what `data` is.
        data: text, JSON text, or bytes in hex with blanks where one likes.
    """

    to: Literal["all", "group", "user", "connection"]
    target: str = ""
    data_type: Literal["text", "json", "binary"]
    data: str

    def payload(self) -> Payload:
        """The content.

        Raises:
            CommandError: it is not what it is said to be, or too long.
        """
        kind = DataKind(self.data_type)
        try:
            data = bytes.fromhex(self.data) if kind is DataKind.BINARY else self.data.encode()
            if kind is DataKind.JSON:
                check_json(data)
        except UnicodeEncodeError:
            raise CommandError("The text has half a character in it: remove it.") from None
        except ValueError:
            raise CommandError("Write bytes as hex digits in pairs, such as 01 ff 7a.") from None
        except ProtocolError:
            raise CommandError('That is not JSON: write {"a": 1}, "text", 1 or null.') from None
        if len(data) > MAX_DATA:
            raise CommandError(f"A message has at most {MAX_DATA} bytes: shorten it.", 413)
        return Payload(kind, data)


class Disconnect(_Command):
    """The end of a connection.

    Attributes:
        hub: its hub.
        connection_id: which one.
        reason: of the Close frame.
    """

    connection_id: str = Field(min_length=1)
    reason: Annotated[str, AfterValidator(_check_reason)] = ""


class Commands:
    """Carries out what the page asks for, with the authority of the service.

    All raise CommandError for what cannot be done, and return what has been done.
    """

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs

    def publish(self, value: Any) -> dict[str, Any]:
        """Send a message; see Publish."""
        command = _read(Publish, value)
        payload = command.payload()
        hub = self._runtime(command.hub).hub
        target = command.target
        if command.to != "all" and not target:
            raise CommandError(f"Say which {command.to}: it is empty.")
        if command.to == "group":
            if not is_group_name(target):
                raise CommandError("A group name has 1 to 1024 characters, not all white space.")
            count = len(hub.members(target))
            hub.send_to_group(target, payload)
        elif command.to == "user":
            count = len(hub.connections_of_user(target))
            hub.send_to_user(target, payload)
        elif command.to == "connection":
            self._connection(command.hub, target)
            count = 1
            hub.send_to_connection(target, payload)
        else:
            count = len(hub.connections)
            hub.send_to_all(payload)
        return {"receivers": count, "message": _sent(command, payload, count)}

    def disconnect(self, value: Any) -> dict[str, Any]:
        """End a connection and its session; see Disconnect."""
        command = _read(Disconnect, value)
        connection = self._connection(command.hub, command.connection_id)
        connection.close(NORMAL, command.reason or _DEFAULT_REASON)
        user = f" of user {_name(connection.user_id)}" if connection.user_id else ""
        return {"message": f"Disconnected {connection.id}{user}. Its client may come back."}

    def _runtime(self, name: str) -> HubRuntime:
        runtime = self._hubs.find(name)
        if runtime is None:
            raise CommandError(
                f"Nobody has used hub '{name}' yet: connect a client to it first.", 404
            )
        return runtime

    def _connection(self, hub_name: str, connection_id: str) -> Connection:
        connection = self._runtime(hub_name).hub.connections.get(connection_id)
        if connection is None:
            raise CommandError(
                f"No connection '{_name(connection_id)}' in hub '{hub_name}': it has gone. Choose "
                "one of the list.",
                404,
            )
        return connection


def _read(model: type[Any], value: Any) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        place, message = first_problem(error)
        raise CommandError(one_line(place[:100], message)) from None


def _sent(command: Publish, payload: Payload, count: int) -> str:
    where = "everybody" if command.to == "all" else f"{command.to} {_name(command.target)}"
    if count == 0:
        return f"Nobody got it: {where} of hub {command.hub} has no connections."
    many = "1 connection" if count == 1 else f"{count:,} connections"
    size = "1 byte" if len(payload.data) == 1 else f"{len(payload.data):,} bytes"
    kind = "JSON" if payload.kind is DataKind.JSON else payload.kind.value
    return f"Sent {size} of {kind} to {where}: {many}."


def _name(name: str) -> str:
    """A name of somebody's choice within one line of text."""
    return short(" ".join(name.split()))


def read_json(data: bytes) -> Any:
    """The value of a body.

    Raises:
        CommandError: it is not JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise CommandError("The body is not JSON: send an object.") from None
