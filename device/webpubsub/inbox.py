"""The queue between the connection's reader and the program: bounded, and honest about it."""

import asyncio
from collections import deque


class Inbox:
    """Holds messages until the program asks for them, at most `messages` of `size` bytes."""

    def __init__(self, messages, size):
        self._queue = deque((), messages)  # noqa: RUF037 MicroPython takes no keywords
        self._limit = messages
        self._room = size
        self._bytes = 0
        # Something came, went, or the end did. The program waits while there is nothing, the
        # reader while there is much: never both.
        self._changed = asyncio.Event()
        self._end = None
        self._foreign = 0  # how many of the oldest are of a session that is over

    def fits(self, size):
        """Whether a message of `size` bytes can be put; one message always can."""
        count = len(self._queue)
        return not count or (count < self._limit and self._bytes + size <= self._room)

    def put(self, message, size):
        """Append a message that fits.

        message: Message."""
        self._queue.append((message, size))
        self._bytes += size
        self._changed.set()

    def take(self):
        """The oldest message, which must be there, and its sequence id in today's session."""
        message, size = self._queue.popleft()
        self._bytes -= size
        self._changed.set()
        if self._foreign:
            self._foreign -= 1
            return message, None
        return message, message.sequence_id

    def lost(self):
        """Remember that the ids of all messages mean nothing to the next session."""
        self._foreign = len(self._queue)

    def end(self, error=None):
        """Let the consumer stop: with `error` after the last message, or at once without one."""
        if not error:
            self.reopen()
        self._end = error or StopAsyncIteration()
        self._changed.set()

    def reopen(self):
        """Undo `end`, and forget what nobody took."""
        self._end = None
        while self._queue:
            self.take()

    async def ready(self):
        """Wait for a message as long as it takes.

        Raises:
            StopAsyncIteration: the client was closed. Otherwise the error given to `end`.
        """
        while not self._queue:
            if self._end:
                raise self._end
            self._changed.clear()
            await self._changed.wait()

    async def drained(self):
        """Wait until half of the queue is free."""
        while 2 * len(self._queue) > self._limit or 2 * self._bytes > self._room:
            self._changed.clear()
            await self._changed.wait()
