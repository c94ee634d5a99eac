"""Invocations: a client calls the application server and gets its answer.

An event handler gets an invocation as it gets an event. Both wait in one queue per connection, so
that `ce-id` and `ce-connectionState` stay in order.
"""

from __future__ import annotations

import asyncio

from ..errors import HandlerError
from ..events.cloud_events import HubEvents
from ..hub.connection import Connection
from ..hub.hub import Hub
from ..names import is_event_name
from ..protocol.messages import (
    ILLEGAL_EVENT,
    AckError,
    AckErrorName,
    CancelInvocation,
    Invoke,
    InvokeResponse,
    Payload,
    SendEvent,
)

_TARGET = "event"


class _Pending:
    """One invocation whose response is not sent yet."""

    __slots__ = ("cancelled", "task")

    def __init__(self) -> None:
        self.cancelled = False
        # None until the call to its event handler begins.
        self.task: asyncio.Task[Payload | None] | None = None

    def cancel(self) -> None:
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()


class Invocations:
    """The invocations of all clients of one hub.

    Args:
        hub: its observers are called for each invocation.
        events: asks the event handlers.
    """

    def __init__(self, hub: Hub, events: HubEvents) -> None:
        self._hub = hub
        self._events = events
        self._pending: dict[Connection, dict[str, _Pending]] = {}

    def invoke(self, connection: Connection, request: Invoke) -> None:
        """Call an event handler; its answer, or the error, is the response to the client."""
        # One read of the socket may hold requests behind the one that ended the connection.
        if connection.ended:
            return
        error = _error(request)
        if error is not None:
            self._hub.observers.refused(connection, error)
            _respond(connection, InvokeResponse(request.invocation_id, error=error))
            return
        pending = self._pending.setdefault(connection, {})
        if request.invocation_id in pending:
            # The id is in use: the response to the first call is the response to this one, too.
            return
        mine = pending[request.invocation_id] = _Pending()
        event = SendEvent(request.event or "", request.payload, None)
        self._hub.observers.event(connection, event)
        self._events.queues.put(
            connection, lambda: self._ask(connection, request.invocation_id, event, mine)
        )

    def cancel(self, connection: Connection, request: CancelInvocation) -> None:
        """Cancel an invocation: there will be no response. An unknown id is ignored."""
        mine = self._forget(connection, request.invocation_id)
        if mine is not None:
            mine.cancel()

    def ended(self, connection: Connection) -> None:
        """A connection is over: cancel its invocations."""
        for mine in self._pending.pop(connection, {}).values():
            mine.cancel()

    async def _ask(
        self, connection: Connection, invocation_id: str, event: SendEvent, mine: _Pending
    ) -> None:
        if mine.cancelled:
            return
        mine.task = asyncio.create_task(self._events.user_event(connection, event))
        # gather() and not `await task`: when it is cancelled, at the end of the service, the task
        # is cancelled with it, while an error of the task is returned and not raised.
        (outcome,) = await asyncio.gather(mine.task, return_exceptions=True)
        if mine.cancelled:
            return
        self._forget(connection, invocation_id)
        if isinstance(outcome, HandlerError):
            text = f"The event '{event.event}' could not be delivered: {outcome.client_text}."
            error = AckError(AckErrorName.INTERNAL_SERVER_ERROR, text)
            _respond(connection, InvokeResponse(invocation_id, error=error))
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            _respond(connection, InvokeResponse(invocation_id, outcome))

    def _forget(self, connection: Connection, invocation_id: str) -> _Pending | None:
        pending = self._pending.get(connection, {})
        mine = pending.pop(invocation_id, None)
        if not pending:
            self._pending.pop(connection, None)
        return mine


def _respond(connection: Connection, response: InvokeResponse) -> None:
    connection.send(connection.codec.reply(response))


def _error(request: Invoke) -> AckError | None:
    if request.target != _TARGET:
        text = f"Illegal target of an invocation: it must be '{_TARGET}'."
        return AckError(AckErrorName.BAD_REQUEST, text)
    if request.event is None or not is_event_name(request.event):
        return ILLEGAL_EVENT
    return None
