"""Does what clients ask for: joins, leaves, publishes, hands events on, and acknowledges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .connection import Connection
from .frames import INTERNAL_ERROR
from .hub import Hub
from .messages import (
    AckError,
    AckErrorName,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from .names import is_event_name, is_group_name


def _duplicate(ack_id: int) -> AckError:
    text = f"Message with ack-id: {ack_id} has been processed"
    return AckError(AckErrorName.DUPLICATE, text)


def _forbidden(action: str, group: str) -> AckError:
    text = f"The client has no permission to {action} group '{group}'."
    return AckError(AckErrorName.FORBIDDEN, text)


class Dispatcher:
    """Executes the requests of all clients of one hub.

    Args:
        hub: the hub.
        ack_delay: seconds that every ack is held back.
    """

    def __init__(self, hub: Hub, ack_delay: float = 0.0) -> None:
        self._hub = hub
        self._ack_delay = ack_delay
        # Acks that are still to be lost on command, for tests of clients.
        self.acks_to_withhold = 0
        self._actions: dict[type, Callable[[Connection, Any], None]] = {
            JoinGroup: self._join_group,
            LeaveGroup: self._leave_group,
            SendToGroup: self._send_to_group,
            SendEvent: self._send_event,
            SequenceAck: self._sequence_ack,
            Ping: self._ping,
        }

    def receive(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Execute one message of a client.

        Raises:
            ProtocolError: the message is illegal, and the connection has to end.
        """
        request = connection.codec.decode(opcode, payload)
        if request is not None:
            self._actions[type(request)](connection, request)

    def _execute(
        self, connection: Connection, ack_id: int | None, action: Callable[[], AckError | None]
    ) -> None:
        """Run a request unless it is a repetition, and acknowledge it when that is wanted."""
        if ack_id is None:
            action()
        elif connection.is_duplicate(ack_id):
            self._acknowledge(connection, ack_id, _duplicate(ack_id))
        else:
            error = action()
            if error is None:
                connection.remember(ack_id)
            self._acknowledge(connection, ack_id, error)

    def _acknowledge(self, connection: Connection, ack_id: int, error: AckError | None) -> None:
        if self.acks_to_withhold > 0:
            self.acks_to_withhold -= 1
            return
        frame = connection.codec.ack(ack_id, error)
        if self._ack_delay:
            asyncio.get_running_loop().call_later(self._ack_delay, connection.send, frame)
        else:
            connection.send(frame)

    # -- requests --------------------------------------------------------------------------

    def _join_group(self, connection: Connection, request: JoinGroup) -> None:
        def action() -> AckError | None:
            error = _check_group(request.group)
            if error is None and not connection.permissions.may_join(request.group):
                error = _forbidden("join", request.group)
            if error is None:
                self._hub.join(connection, request.group)
            return error

        self._execute(connection, request.ack_id, action)

    def _leave_group(self, connection: Connection, request: LeaveGroup) -> None:
        def action() -> AckError | None:
            error = _check_group(request.group)
            if error is None and not connection.permissions.may_join(request.group):
                error = _forbidden("leave", request.group)
            if error is None:
                self._hub.leave(connection, request.group)
            return error

        self._execute(connection, request.ack_id, action)

    def _send_to_group(self, connection: Connection, request: SendToGroup) -> None:
        def action() -> AckError | None:
            error = _check_group(request.group)
            if error is None and not connection.permissions.may_send(request.group):
                error = _forbidden("send message to", request.group)
            if error is None:
                self._hub.send_to_group(
                    request.group, request.payload, sender=connection, no_echo=request.no_echo
                )
            return error

        self._execute(connection, request.ack_id, action)

    def _send_event(self, connection: Connection, request: SendEvent) -> None:
        if not is_event_name(request.event):
            error = AckError(AckErrorName.BAD_REQUEST, "Illegal event name.")
        else:
            error = AckError(AckErrorName.INTERNAL_SERVER_ERROR, "No event handler.")
        if request.ack_id is not None:
            self._acknowledge(connection, request.ack_id, error)
        elif connection.codec.subprotocol is None:
            connection.close(INTERNAL_ERROR, error.message)

    def _sequence_ack(self, connection: Connection, request: SequenceAck) -> None:
        connection.acknowledge_up_to(request.sequence_id)

    def _ping(self, connection: Connection, _: Ping) -> None:
        connection.send(connection.codec.pong())


def _check_group(group: str) -> AckError | None:
    if is_group_name(group):
        return None
    text = "Illegal group name: 1 to 1024 characters, not all white space."
    return AckError(AckErrorName.BAD_REQUEST, text)
