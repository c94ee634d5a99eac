"""The other end of the client benches: raw bytes, or WebSocket messages, on four ports.

Prints one line of JSON: the ports of raw, raw over TLS, WebSocket, WebSocket over TLS; and
writes the CA certificate in DER to the file named as its argument.

It sends back what comes. For one way there are two orders, a text message or, on a raw port, the
first line: `send N S` asks for N messages of S bytes; after `sink N S` the same are swallowed,
once "go" was answered, and at their end comes "end". Both are done below the WebSocket library,
for a slow server would make the client wait for each single message.
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

_BLOCK = 64 * 1024


def header(size: int, masked: bool = False) -> bytes:
    """That of a binary message of less than 64 KiB in one frame (RFC 6455, section 5.2), the
    mask key included.
    """
    mask = 0x80 if masked else 0
    if size < 126:
        start = bytes([0x82, mask | size])
    else:
        start = bytes([0x82, mask | 126]) + size.to_bytes(2, "big")
    return start + bytes(4 if masked else 0)


class Sink(asyncio.Protocol):
    """Swallows so many bytes, then answers and gives the transport back."""

    def __init__(self, transport: asyncio.Transport, size: int, answer: bytes) -> None:
        self._transport = transport
        self._left = size
        self._answer = answer
        self._before = transport.get_protocol()
        self.done = asyncio.Event()
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left <= 0:
            self._transport.set_protocol(self._before)
            self._transport.write(self._answer)
            self.done.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._before.connection_lost(exc)
        self.done.set()


async def pour(transport: asyncio.Transport, message: bytes, count: int) -> None:
    """Send a message many times, no faster than it is taken."""
    batch = max(_BLOCK // len(message), 1)
    while count > 0 and not transport.is_closing():
        transport.write(message * min(batch, count))
        count -= batch
        while transport.get_write_buffer_size() > _BLOCK and not transport.is_closing():
            await asyncio.sleep(0.0005)


class Raw(asyncio.Protocol):
    """Sends back what comes, unless it begins with an order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._first = True

    def data_received(self, data: bytes) -> None:
        if self._first and data.startswith((b"send ", b"sink ")):
            order, count, size = data.split()
            if order == b"send":
                pouring = pour(self._transport, bytes(int(size)), int(count))
                self._task = asyncio.create_task(pouring)
            else:
                Sink(self._transport, int(count) * int(size), b"end")
                self._transport.write(b"go")
        else:
            self._transport.write(data)
        self._first = False


async def websocket_echo(connection: ServerConnection) -> None:
    """Sends back each message, unless it is an order."""
    transport = connection.transport
    async for message in connection:
        if isinstance(message, str) and message.startswith(("send ", "sink ")):
            order, count, size = message.split()
            if order == "send":
                await pour(transport, header(int(size)) + bytes(int(size)), int(count))
                continue
            one = len(header(int(size), masked=True)) + int(size)
            sink = Sink(transport, int(count) * one, header(3) + b"end")
            await connection.send("go")
            await sink.done.wait()
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
        raw = await loop.create_server(Raw, "127.0.0.1", 0, ssl=tls)
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
