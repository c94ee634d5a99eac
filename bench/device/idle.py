"""An open connection and nothing to do, until it is ended from outside.

Says "open" when it is. RAW: MicroPython's own stream to this port; otherwise ws_connect to URL.
"""

import asyncio
import os

URL, RAW, CA = (os.getenv(name) for name in ("URL", "RAW", "CA"))
# Whatever happens to who started it.
LONGEST = 600


async def stream():
    ssl = None
    if CA:
        import ssl as tls

        ssl = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        ssl.verify_mode = tls.CERT_REQUIRED
        with open(CA, "rb") as file:
            ssl.load_verify_locations(cadata=file.read())
    host = "localhost" if ssl else "127.0.0.1"
    reader, writer = await asyncio.open_connection(
        host, int(RAW), ssl=ssl, server_hostname=host if ssl else None
    )
    # An echo: then the TLS handshake is over, and its tickets are read.
    writer.write(b"x")
    await writer.drain()
    await reader.readexactly(1)
    return reader.readexactly(1)


async def websocket():
    from webpubsub.websocket import ws_connect

    ssl = None
    if CA:
        from webpubsub.tls import tls_context

        with open(CA, "rb") as file:
            ssl = tls_context(file.read())
    ws = await ws_connect(URL, ssl=ssl)
    await ws.send_str("x")
    await ws.receive()
    return ws.receive()


async def main():
    waiting = await (stream() if RAW else websocket())
    print("open")
    await asyncio.wait_for(waiting, LONGEST)


asyncio.run(main())
