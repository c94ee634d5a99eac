"""Events of one connection are delivered one at a time, in order; connections do not wait for
each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from .connection import Connection

Job = Callable[[], Awaitable[None]]

# A client that sends events faster than its handler takes them is read no further.
_PAUSE_AT = 32
_RESUME_AT = 8


class EventQueues:
    """One queue per connection, there only while it has something to do."""

    def __init__(self) -> None:
        self._waiting: dict[Connection, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, connection: Connection, job: Job) -> None:
        """Run a job after all earlier ones of the connection. The job must not raise."""
        queue = self._waiting.get(connection)
        if queue is not None:
            queue.append(job)
            if len(queue) >= _PAUSE_AT and connection.link is not None:
                connection.link.pause_reading()
            return
        queue = self._waiting[connection] = deque((job,))
        task = asyncio.get_running_loop().create_task(self._work(connection, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, connection: Connection, queue: deque[Job]) -> None:
        try:
            while queue:
                await queue[0]()
                queue.popleft()
                if len(queue) <= _RESUME_AT and connection.link is not None:
                    connection.link.resume_reading()
        finally:
            del self._waiting[connection]

    async def drain(self, timeout: float) -> None:
        """Wait until everything is delivered, for at most that many seconds; drop the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        remaining = tuple(self._tasks)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
