"""Executes the requests of clients: groups, publishing, events; and sends their acks.

Invocations and streams have modules of their own (`invocations`, `streaming`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from ..errors import HandlerError, LimitError
from ..events.cloud_events import HubEvents
from ..faults import Faults
from ..hub.connection import Connection
from ..hub.hub import Hub
from ..names import is_event_name, is_group_name
from ..protocol.frames import INTERNAL_ERROR
from ..protocol.messages import (
    ILLEGAL_EVENT,
    ILLEGAL_GROUP,
    AckError,
    AckErrorName,
    CancelInvocation,
    EndStream,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Message,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamData,
)
from .invocations import Invocations
from .streaming import Streaming


class Dispatcher:
    """Executes the requests of all clients of one hub.

    Args:
        hub: the hub.
        events: takes user events.
        invocations: takes invocations.
        streaming: takes streams.
        faults: may drop or delay acks.
        ack_delay: seconds by which every ack is delayed.
    """

    def __init__(
        self,
        hub: Hub,
        events: HubEvents,
        invocations: Invocations,
        streaming: Streaming,
        faults: Faults,
        ack_delay: float = 0.0,
    ) -> None:
        self._hub = hub
        self._events = events
        self._faults = faults
        self._ack_delay = ack_delay
        self._actions: dict[type, Callable[[Connection, Any], None]] = {
            JoinGroup: self._join_group,
            LeaveGroup: self._leave_group,
            SendToGroup: self._send_to_group,
            SendEvent: self._send_event,
            SequenceAck: self._sequence_ack,
            Ping: self._ping,
            Invoke: invocations.invoke,
            CancelInvocation: invocations.cancel,
            StartStream: streaming.start,
            StreamData: streaming.data,
            EndStream: streaming.end,
        }

    def receive(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Execute one message of a client.

        Raises:
            ProtocolError: the message is illegal, and the connection has to end.
        """
        request = connection.codec.decode(opcode, payload)
        if request is not None:
            self._actions[type(request)](connection, request)

    # -- acks ------------------------------------------------------------------------------

    def _refused(self, connection: Connection, ack_id: int | None, error: AckError | None) -> bool:
        """Whether a request must not be executed: it is a duplicate, or has an error.

        Then its ack, if it wants one, says which.
        """
        if ack_id is not None and connection.is_duplicate(ack_id):
            text = f"Message with ack-id: {ack_id} has been processed"
            error = AckError(AckErrorName.DUPLICATE, text)
        if error is not None:
            self._fail(connection, ack_id, error)
        return error is not None

    def _succeed(self, connection: Connection, ack_id: int | None) -> None:
        if ack_id is not None:
            connection.remember(ack_id)
            self._acknowledge(connection, ack_id, None)

    def _fail(self, connection: Connection, ack_id: int | None, error: AckError) -> None:
        self._hub.observers.refused(connection, error)
        if ack_id is not None:
            self._acknowledge(connection, ack_id, error)

    def _acknowledge(self, connection: Connection, ack_id: int, error: AckError | None) -> None:
        delay = self._ack_delay
        if self._faults.disturbs_acks:
            delay += self._faults.ack_delay(connection)
            if delay == math.inf:
                return
        frame = connection.codec.ack(ack_id, error)
        if delay:
            asyncio.get_running_loop().call_later(delay, connection.send, frame)
        else:
            connection.send(frame)

    # -- groups ----------------------------------------------------------------------------

    def _join_group(self, connection: Connection, request: JoinGroup) -> None:
        allowed = connection.permissions.may_join(request.group)
        error = _group_error(request.group, allowed, "join")
        if self._refused(connection, request.ack_id, error):
            return
        try:
            self._hub.join(connection, request.group)
        except LimitError as error:
            self._fail(
                connection,
                request.ack_id,
                AckError(AckErrorName.BAD_REQUEST, f"Refused: {error}."),
            )
            return
        self._succeed(connection, request.ack_id)

    def _leave_group(self, connection: Connection, request: LeaveGroup) -> None:
        allowed = connection.permissions.may_join(request.group)
        error = _group_error(request.group, allowed, "leave")
        if not self._refused(connection, request.ack_id, error):
            self._hub.leave(connection, request.group)
            self._succeed(connection, request.ack_id)

    def _send_to_group(self, connection: Connection, request: SendToGroup) -> None:
        allowed = connection.permissions.may_send(request.group)
        error = _group_error(request.group, allowed, "send message to")
        if not self._refused(connection, request.ack_id, error):
            self._hub.send_to_group(
                request.group, request.payload, sender=connection, no_echo=request.no_echo
            )
            self._succeed(connection, request.ack_id)

    # -- events ----------------------------------------------------------------------------

    def _send_event(self, connection: Connection, request: SendEvent) -> None:
        if not is_event_name(request.event):
            self._fail(connection, request.ack_id, ILLEGAL_EVENT)
            return
        self._hub.observers.event(connection, request)
        self._events.queues.put(connection, lambda: self._deliver_event(connection, request))

    async def _deliver_event(self, connection: Connection, request: SendEvent) -> None:
        # Checked here and not on arrival: an event that a client sends again after a recovery
        # waits in the queue behind its first copy, and is a duplicate once that has succeeded.
        if self._refused(connection, request.ack_id, None):
            return
        try:
            answer = await self._events.user_event(connection, request)
        except HandlerError as error:
            self._event_failed(connection, request, error)
            return
        if answer is not None:
            self._hub.deliver(Message(answer), (connection,))
        self._succeed(connection, request.ack_id)

    def _event_failed(
        self, connection: Connection, request: SendEvent, error: HandlerError
    ) -> None:
        if connection.codec.subprotocol is None:
            # A simple client gets no acks: the end of its connection is the only way to report it.
            connection.close(INTERNAL_ERROR, "The event could not be delivered.")
            return
        text = f"The event '{request.event}' could not be delivered: {error.client_text}."
        self._fail(connection, request.ack_id, AckError(AckErrorName.INTERNAL_SERVER_ERROR, text))

    # -- sequenceAcks and pings ------------------------------------------------------------

    def _sequence_ack(self, connection: Connection, request: SequenceAck) -> None:
        connection.acknowledge_up_to(request.sequence_id)

    def _ping(self, connection: Connection, _: Ping) -> None:
        connection.send(connection.codec.pong())


def _group_error(group: str, allowed: bool, action: str) -> AckError | None:
    if not is_group_name(group):
        return ILLEGAL_GROUP
    if allowed:
        return None
    text = f"The client has no permission to {action} group '{group}'."
    return AckError(AckErrorName.FORBIDDEN, text)
