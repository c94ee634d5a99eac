"""A process that holds idle connections: its standard input says which, in one line of JSON.

Prints `connected` when all stand; for every further line, how many of them are still open and
have got exactly one message.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys

from .servers import UpgradeRequest
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
    requests = [UpgradeRequest(**request) for request in json.loads(next_line())]
    each = iter(requests)
    peers = await connect(lambda: Counter(next(each), loop), requests[0].port, len(requests))
    print("connected", flush=True)
    while True:
        await asyncio.to_thread(next_line)
        print(sum(peer.count == 1 and not peer.closed for peer in peers), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
