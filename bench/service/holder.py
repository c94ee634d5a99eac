"""A process that holds idle connections. Its standard input says which, in one line of JSON.

Prints `connected` when all stand; for every further line, how many of them are still open and
have got exactly one message.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from functools import partial

from .servers import Door
from .wire import Counter, connect


def next_line() -> str:
    """From standard input; the process ends with its parent."""
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    return line


async def main() -> None:
    """Hold connections until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    order = json.loads(next_line())
    door = Door(**order["door"])
    peers = await connect(partial(Counter, door, loop), door.port, order["count"])
    print("connected", flush=True)
    while True:
        await asyncio.to_thread(next_line)
        print(sum(peer.count == 1 and not peer.closed for peer in peers), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
