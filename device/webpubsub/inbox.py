"""The queue between the connection's reader and the program: bounded, and honest about it."""

import asyncio

from .errors import DeadlineError

try:
    from collections import deque
except ImportError:
    from ucollections import deque


class Inbox:
    """Holds messages until the program asks for them, at most `messages` of `size` bytes."""

    def __init__(self, messages, size):
        self._queue = deque((), messages)
        self._limit = messages
        self._room = size
        self._bytes = 0
        self._changed = asyncio.Event()  # something to take, or the end
        self._drained = asyncio.Event()  # half of it is free
        self._end = None

    def fits(self, size):
        """Whether a message of `size` bytes can be put; one message always can."""
        count = len(self._queue)
        return not count or (count < self._limit and self._bytes + size <= self._room)

    def put(self, message, size):
        """Append a message that fits."""
        self._queue.append((message, size))
        self._bytes += size
        self._changed.set()
        self._drained.clear()

    def drop_oldest(self):
        """Make room; returns the message that is gone."""
        message, size = self._queue.popleft()
        self._bytes -= size
        return message

    def end(self, error):
        """Let the consumer stop: with `error`, or in an orderly way when it is None."""
        self._end = (error,)
        self._changed.set()
        self._drained.set()

    def reopen(self):
        """Undo `end`, and forget what nobody took."""
        self._end = None
        while self._queue:
            self.drop_oldest()

    async def get(self):
        """The next message; waits for one as long as it takes.

        Raises:
            StopAsyncIteration: the client was closed. Otherwise the error given to `end`.
        """
        while True:
            if self._end:
                raise self._end[0] or StopAsyncIteration()
            if self._queue:
                message, size = self._queue.popleft()
                self._bytes -= size
                if 2 * len(self._queue) <= self._limit and 2 * self._bytes <= self._room:
                    self._drained.set()
                return message
            self._changed.clear()
            await self._changed.wait()

    async def drained(self, seconds):
        """Wait until half of the queue is free. Raises DeadlineError."""
        if self._queue:
            try:
                await asyncio.wait_for(self._drained.wait(), seconds)
            except asyncio.TimeoutError:
                raise DeadlineError("nobody takes the messages")
