"""The other end of the client benches: echoes bytes, or WebSocket messages, on four ports.

Prints one line of JSON: the ports of raw, raw over TLS, WebSocket, WebSocket over TLS; and
writes the CA certificate in DER to the file named as its argument.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from websockets.asyncio.server import ServerConnection, serve


class RawEcho(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def websocket_echo(connection: ServerConnection) -> None:
    """Sends back each message; `send N S` asks for N messages of S bytes instead."""
    async for message in connection:
        if isinstance(message, str) and message.startswith("send "):
            _, count, size = message.split()
            payload = bytes(int(size))
            for _ in range(int(count)):
                await connection.send(payload)
        elif isinstance(message, str) and message == "sink":
            async for silent in connection:
                if silent == b"end":
                    await connection.send(b"end")
                    break
        else:
            await connection.send(message)


async def main(ca_file: Path) -> None:
    """Serve until killed."""
    # A client that runs out of heap is what some benches look for.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    der = load_pem_x509_certificate(ca.cert_pem.bytes()).public_bytes(Encoding.DER)
    ca_file.write_bytes(der)
    loop = asyncio.get_running_loop()
    ports = []
    for tls in (None, context):
        raw = await loop.create_server(RawEcho, "127.0.0.1", 0, ssl=tls)
        ports.append(raw.sockets[0].getsockname()[1])
    for tls in (None, context):
        ws = await serve(
            websocket_echo,
            "127.0.0.1",
            0,
            ssl=tls,
            compression=None,
            max_size=2**24,
            ping_interval=None,
        )
        ports.append(next(iter(ws.sockets)).getsockname()[1])
    print(json.dumps(ports), flush=True)
    await asyncio.Future()


asyncio.run(main(Path(sys.argv[1])))
