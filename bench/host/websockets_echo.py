"""The same round trips with CPython's websockets, for scale."""

import asyncio
import os
import ssl

from websockets.asyncio.client import connect


async def main() -> None:
    context = None
    if os.environ.get("CA"):
        with open(os.environ["CA"], "rb") as file:
            context = ssl.create_default_context(cadata=file.read())
    async with connect(
        os.environ["URL"], ssl=context, compression=None, max_size=2**24
    ) as connection:
        message = bytes(int(os.environ["SIZE"]))
        for _ in range(int(os.environ["COUNT"])):
            await connection.send(message)
            await connection.recv()


asyncio.run(main())
