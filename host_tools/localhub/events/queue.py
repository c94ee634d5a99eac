"""Queues of events: one at a time and in order for a connection; connections are independent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ..hub.connection import Connection

Job = Callable[[], Awaitable[None]]

# Jobs of one connection at which its WebSocket is no longer read, and at which it is again: a
# client cannot send events faster than its handler takes them.
_PAUSE_AT = 32
_RESUME_AT = 8


class Backlog:
    """How many events of all hubs wait for their handlers.

    Args:
        limit: when there are as many, no client is let in whose events would come on top.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether the handlers do not keep up."""
        return self.count >= self._limit


class EventQueues:
    """One queue per connection; it exists only while it has jobs.

    Args:
        backlog: counts the jobs of all hubs.
    """

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._waiting: dict[Connection, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, connection: Connection, job: Job) -> None:
        """Run a job after all earlier ones of the connection. The job must not raise."""
        self._backlog.count += 1
        queue = self._waiting.get(connection)
        if queue is None:
            queue = self._waiting[connection] = deque((job,))
            task = asyncio.get_running_loop().create_task(self._work(connection, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            queue.append(job)
        if (len(queue) >= _PAUSE_AT or self._backlog.full) and connection.websocket is not None:
            connection.websocket.pause_reading()

    async def _work(self, connection: Connection, queue: deque[Job]) -> None:
        try:
            while queue:
                await queue[0]()
                queue.popleft()
                self._backlog.count -= 1
                if len(queue) <= _RESUME_AT and connection.websocket is not None:
                    connection.websocket.resume_reading()
        finally:
            self._backlog.count -= len(queue)
            del self._waiting[connection]

    async def drain(self, timeout: float) -> None:
        """Wait until all jobs are done, for at most `timeout` seconds; cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        remaining = tuple(self._tasks)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
