"""The baseline: MicroPython's own asyncio stream, no framing. One write, one wait, readinto."""

import asyncio
import os

PORT, SIZE, COUNT, CA = (os.getenv(name) for name in ("RAW", "SIZE", "COUNT", "CA"))


async def main():
    ssl = None
    if CA:
        import ssl as tls

        ssl = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        ssl.verify_mode = tls.CERT_REQUIRED
        with open(CA, "rb") as file:
            ssl.load_verify_locations(cadata=file.read())
    host = "localhost" if ssl else "127.0.0.1"
    reader, writer = await asyncio.open_connection(
        host, int(PORT), ssl=ssl, server_hostname=host if ssl else None
    )
    if not ssl:
        reader.s.setsockopt(6, 1, 1)
    size = int(SIZE)
    message = bytes(size)
    buffer = bytearray(size)
    view = memoryview(buffer)
    for _ in range(int(COUNT)):
        writer.write(message)
        await writer.drain()
        got = await reader.readinto(buffer)
        while got < size:
            got += await reader.readinto(view[got:])
    writer.close()


asyncio.run(main())
