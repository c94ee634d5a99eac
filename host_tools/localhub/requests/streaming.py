"""Streams of a hub: carries out what `streams` decides, with the hub and with timers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..hub.connection import Connection
from ..hub.hub import Hub
from ..protocol.messages import EndStream, Message, StartStream, StreamData
from .streams import Effect, Publication, StreamLimits, Streams


class _Publisher:
    """The streams of one connection, and one timer for the first that may fall silent."""

    __slots__ = ("streams", "timer")

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.timer: asyncio.TimerHandle | None = None


class Streaming:
    """The streams of all clients of one hub.

    Args:
        hub: where they are published.
        limits: how many, and how long they may be silent.

    Attributes:
        timers: how many timers are set; at most one for each connection that publishes.
    """

    def __init__(self, hub: Hub, limits: StreamLimits) -> None:
        self._hub = hub
        self._limits = limits
        self._publishers: dict[Connection, _Publisher] = {}
        self.timers = 0

    def __len__(self) -> int:
        """How many connections have published a stream."""
        return len(self._publishers)

    def start(self, connection: Connection, request: StartStream) -> None:
        """A client starts a stream."""
        # One read of the socket may hold requests behind the one that ended the connection.
        if connection.ended:
            return
        publisher = self._publishers.get(connection)
        if publisher is None:
            streams = Streams(self._limits, connection.permissions.may_send)
            publisher = self._publishers[connection] = _Publisher(streams)
        loop = asyncio.get_running_loop()
        self._execute(connection, publisher.streams.start(request, loop.time()))
        self._keep_time(connection)

    def data(self, connection: Connection, request: StreamData) -> None:
        """A client sends a piece of a stream, or keeps it alive."""
        now = asyncio.get_running_loop().time()
        self._execute(connection, self._streams(connection).data(request, now))
        self._keep_time(connection)

    def end(self, connection: Connection, request: EndStream) -> None:
        """A client ends a stream."""
        self._execute(connection, self._streams(connection).end(request))
        self._keep_time(connection)

    def recovered(self, connection: Connection) -> None:
        """A client has recovered its session: send `connected`.

        A publisher sends no stream data before that: it cannot know whether its streams are
        still open.
        """
        if connection in self._publishers:
            connection.send_connected()

    def ended(self, connection: Connection) -> None:
        """A connection is over, and with it its streams."""
        publisher = self._publishers.pop(connection, None)
        if publisher is None:
            return
        self._stop_timer(publisher)
        effects = publisher.streams.close_all()
        if effects:
            # In the next turn of the loop: the last message of a stream may end a slow receiver,
            # whose own streams then end with messages, and so on: the calls would nest.
            asyncio.get_running_loop().call_soon(self._execute, connection, effects)

    def _streams(self, connection: Connection) -> Streams:
        publisher = self._publishers.get(connection)
        if publisher is None:
            return Streams(self._limits, connection.permissions.may_send)
        return publisher.streams

    def _execute(self, connection: Connection, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publication):
                self._publish(connection, effect)
            else:
                connection.send(connection.codec.reply(effect))

    def _publish(self, publisher: Connection, part: Publication) -> None:
        message = Message(part.payload, part.group, publisher.user_id, stream=part.info)
        members: Iterable[Connection] = self._hub.members(part.group)
        if part.no_echo:
            members = (member for member in members if member is not publisher)
        if part.info.end:
            # The end of a stream has no content, and simple clients get nothing but content.
            members = (member for member in members if member.codec.subprotocol is not None)
        self._hub.deliver(message, members, publisher)

    # -- time ------------------------------------------------------------------------------

    def _keep_time(self, connection: Connection) -> None:
        """Set the timer to the first deadline, or earlier.

        It may ring too early, and is set again then: data moves a deadline much more often than
        a stream falls silent.
        """
        publisher = self._publishers.get(connection)
        if publisher is None:
            return
        deadline = publisher.streams.next_deadline
        if deadline is None:
            self._stop_timer(publisher)
        elif publisher.timer is None or deadline < publisher.timer.when():
            self._stop_timer(publisher)
            loop = asyncio.get_running_loop()
            publisher.timer = loop.call_at(deadline, self._ring, connection, publisher)
            self.timers += 1

    def _stop_timer(self, publisher: _Publisher) -> None:
        if publisher.timer is not None:
            publisher.timer.cancel()
            publisher.timer = None
            self.timers -= 1

    def _ring(self, connection: Connection, publisher: _Publisher) -> None:
        publisher.timer = None
        self.timers -= 1
        now = asyncio.get_running_loop().time()
        self._execute(connection, publisher.streams.close_idle(now))
        self._keep_time(connection)
