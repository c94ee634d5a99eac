"""The baseline for one way: MicroPython's own asyncio stream, no framing; WAY=send or receive."""

import asyncio
import os

PORT, SIZE, COUNT, WAY = (os.getenv(name) for name in ("RAW", "SIZE", "COUNT", "WAY"))


async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(PORT))
    reader.s.setsockopt(6, 1, 1)
    count, size = int(COUNT), int(SIZE)
    if WAY == "send":
        writer.write(f"sink {count} {size}".encode())
        await writer.drain()
        await reader.readexactly(2)
        message = bytes(size)
        for _ in range(count):
            writer.write(message)
            await writer.drain()
        await reader.readexactly(3)
    else:
        writer.write(f"send {count} {size}".encode())
        await writer.drain()
        buffer = bytearray(size)
        view = memoryview(buffer)
        for _ in range(count):
            got = await reader.readinto(buffer)
            while got < size:
                got += await reader.readinto(view[got:])
    writer.close()


asyncio.run(main())
