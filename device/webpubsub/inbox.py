"""The queue between the connection's reader and the program, bounded by messages and bytes.

What does not fit is not taken: the reader decides whether it waits, drops the oldest message, or
has the service send it again (see `keeper`).
"""

import asyncio
from collections import deque


class Inbox:
    """Holds messages until the program asks for them, at most `messages` of `size` bytes.

    held: a message that was taken for a consumer who has not got it yet. busy: whatever stands
    for those who work on it, or None. ended: an Event that `end` sets, if there is one.
    """

    held = busy = ended = None

    def __init__(self, messages, size):
        self._queue = deque((), messages)  # noqa: RUF037 MicroPython takes no keywords
        self._limit = messages
        self._room = size
        self._bytes = 0
        # Set when a message was put or taken, or the end came; whoever waits clears it first. One
        # event does for both sides: the program waits while there is nothing, the reader while
        # there is much, so they never wait at the same time.
        self._changed = asyncio.Event()
        self.ends = []  # why the consumer is to stop; another list after each `reopen`
        # How many of the oldest messages are of a session that is over: its sequence ids mean
        # nothing to the present one, and are not to be acknowledged in it.
        self._foreign = 0

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
        ends = self.ends
        if not error:
            self.reopen()
            self.ends = ends
        ends.append(error or StopAsyncIteration())
        self._changed.set()
        if self.ended:
            self.ended.set()

    def reopen(self):
        """Begin anew, and forget what nobody took."""
        self.held = self.busy = None
        while self._queue:
            self.take()
        if self.ends:  # who waits since before the end is to see it
            self.ends = []
        # CPython's belong to one event loop each.
        self._changed.set()
        self._changed = asyncio.Event()

    def rest(self, busy):
        """Say that nobody is busy with the message that was taken last."""
        if self.busy is busy:
            self.busy = None
            self._changed.set()

    async def ready(self):
        """Wait for a message as long as it takes, and until nobody is busy with the last one.

        Raises:
            StopAsyncIteration: the client was closed. Otherwise the error given to `end`.
        """
        ends = self.ends
        while self.busy or not (self.held or self._queue):
            if ends and not self.busy:
                raise ends[0]
            self._changed.clear()
            await self._changed.wait()

    async def drained(self):
        """Wait until half of the queue is free."""
        while 2 * len(self._queue) > self._limit or 2 * self._bytes > self._room:
            self._changed.clear()
            await self._changed.wait()
