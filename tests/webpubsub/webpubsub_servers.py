"""WebSocket servers for device scripts: one that is right, and one that is wrong in many ways."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha1

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


def small_listener() -> socket.socket:
    """A listening socket whose connections hold little that was not read."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    return listener


class GoodServer:
    """Speaks RFC 6455 by the book; the path says what a connection is for."""

    def __init__(self) -> None:
        self.port = 0
        self.pings = 0
        self.released = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[GoodServer]:
        """Accept connections for as long as the context lasts."""
        listener = small_listener()
        self.port = listener.getsockname()[1]
        server = await serve(
            self._serve,
            sock=listener,
            ssl=context,
            subprotocols=["json.x", "ocpp1.6"],  # type: ignore[list-item]
            select_subprotocol=self._select,
            compression=None,
            max_size=2**21,
            max_queue=1,
            ping_interval=None,
            close_timeout=5,
        )
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    @staticmethod
    def _select(_: ServerConnection, offered: object) -> object:
        return next((name for name in offered if name in ("json.x", "ocpp1.6")), None)  # type: ignore[attr-defined]

    async def _serve(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        path, _, argument = ws.request.path[1:].partition("/")
        with contextlib.suppress(ConnectionClosed):
            await getattr(self, "_" + path)(ws, argument)

    async def _echo(self, ws: ServerConnection, _: str) -> None:
        async for message in ws:
            await ws.send(message)

    async def _head(self, ws: ServerConnection, _: str) -> None:
        assert ws.request is not None
        headers = {name.lower(): value for name, value in ws.request.headers.raw_items()}
        hosts = ws.request.headers.get_all("Host")
        seen = {"path": ws.request.path, "headers": headers, "hosts": hosts}
        await ws.send(json.dumps(seen))
        await ws.wait_closed()

    async def _fragments(self, ws: ServerConnection, _: str) -> None:
        async def text() -> AsyncIterator[str]:
            yield "grü"
            await ws.ping(b"between")
            yield ""
            yield "ße"

        async def data() -> AsyncIterator[bytes]:
            for number in range(50):
                yield bytes([number]) * number

        await ws.send(text())
        await ws.send(data())
        await ws.wait_closed()

    async def _close(self, ws: ServerConnection, argument: str) -> None:
        code, _, reason = argument.partition("/")
        await ws.send("last words")
        await ws.close(int(code), reason)

    async def _closed_by_client(self, ws: ServerConnection, _: str) -> None:
        await ws.wait_closed()
        self.closed_with = ws.close_code, ws.close_reason

    async def _last_close(self, ws: ServerConnection, _: str) -> None:
        for _ in range(100):
            if hasattr(self, "closed_with"):
                break
            await asyncio.sleep(0.02)
        await ws.send(json.dumps(self.closed_with))

    async def _ping(self, ws: ServerConnection, _: str) -> None:
        for payload in (b"", b"x", bytes(125)):
            await asyncio.wait_for(await ws.ping(payload), 10)
        await ws.send("answered")
        await ws.wait_closed()

    async def _count(self, ws: ServerConnection, argument: str) -> None:
        for number in range(int(argument)):
            await ws.send(str(number))
        await ws.wait_closed()

    async def _blob(self, ws: ServerConnection, argument: str) -> None:
        await ws.send(bytes(int(argument)))
        await self._closed_by_client(ws, "")

    async def _pieces(self, ws: ServerConnection, argument: str) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(int(argument) // 4000):
                yield bytes(4000)

        with contextlib.suppress(ConnectionClosed):
            await ws.send(pieces())
        await self._closed_by_client(ws, "")

    async def _stream(self, ws: ServerConnection, _: str) -> None:
        # A busy link: counts the client's pings while it sends without a pause.
        pings = 0
        handle = ws.protocol.recv_frame if hasattr(ws.protocol, "recv_frame") else None

        def counting(frame: object) -> None:
            nonlocal pings
            pings += int(frame.opcode == 9)  # type: ignore[attr-defined]
            assert handle is not None
            handle(frame)

        ws.protocol.recv_frame = counting  # type: ignore[method-assign]
        end = asyncio.get_running_loop().time() + 1.2
        while asyncio.get_running_loop().time() < end:
            await ws.send("x" * 500)
            await asyncio.sleep(0.001)
        await ws.send(json.dumps(pings))
        await ws.wait_closed()

    async def _stall(self, ws: ServerConnection, _: str) -> None:
        # Reads nothing until a command; then says what came: each message's size and whether
        # it is one byte over and over.
        pong = await ws.ping(b"in the jam")
        await self.released.wait()
        self.released.clear()
        seen = []
        async for message in ws:
            if message == "report":
                await asyncio.wait_for(pong, 10)
                await ws.send(json.dumps(seen))
                seen = []
            else:
                seen.append([len(message), message[0], len(set(message)) == 1])

    async def _release(self, ws: ServerConnection, _: str) -> None:
        self.released.set()
        await ws.wait_closed()

    async def _gather(self, ws: ServerConnection, argument: str) -> None:
        # Messages "task number": every task's numbers must come in order.
        last: dict[str, int] = {}
        for _ in range(int(argument)):
            task, number, _ = str(await ws.recv()).split(" ", 2)
            assert int(number) == last.get(task, -1) + 1
            last[task] = int(number)
        await ws.send(json.dumps(sorted(last.values())))
        await ws.wait_closed()


class BadServer:
    """Answers the upgrade in as many wrong ways as there are paths."""

    def __init__(self) -> None:
        self.port = 0
        self._writers: set[Writer] = set()
        self._told: asyncio.Future[int] | None = None

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[BadServer]:
        """Accept connections for as long as the context lasts."""
        listener = small_listener()
        self.port = listener.getsockname()[1]
        server = await asyncio.start_server(self._serve, sock=listener, ssl=context)
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path, _, argument = head.split(" ", 2)[1][1:].partition("/")
            key = head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
            accept = b64encode(sha1(key.encode() + GUID).digest()).decode()
            act: Callable[..., Awaitable[None]] = getattr(self, "_" + path)
            await act(reader, writer, argument, accept)

    @staticmethod
    def _write(writer: Writer, *lines: str, body: bytes = b"") -> None:
        writer.write("\r\n".join((*lines, "", "")).encode() + body)

    def _switch(self, writer: Writer, accept: str, *more: str) -> None:
        self._write(
            writer,
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: " + accept,
            *more,
        )

    @staticmethod
    def _end(writer: Writer, how: str) -> None:
        if how == "rst":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif how == "fin":
            writer.close()

    async def _silent(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        """Never answers."""

    async def _garbage(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9\r\n\x00\xff\r\n\r\n")

    async def _status(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        body = b"not today\n"
        more = ["Retry-After: 17"] if argument == "429" else []
        more += ["Location: http://127.0.0.1:1/"] if argument == "301" else []
        head = [f"HTTP/1.1 {argument} Nope", f"Content-Length: {len(body)}", *more]
        self._write(writer, *head, body=body)

    async def _chatty(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        body = b"<html>" + b"x" * 100_000
        self._write(writer, "HTTP/1.1 502 Bad", f"Content-Length: {len(body)}", body=body)

    async def _interim(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        self._write(writer, "HTTP/1.1 103 Early Hints", "Link: </x.css>; rel=preload")
        self._write(writer, "HTTP/1.1 100 Continue")
        if argument == "late":
            await asyncio.sleep(0.05)
        self._switch(writer, accept)
        writer.write(b"\x81\x02hi")

    async def _interims(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        while not writer.is_closing():
            self._write(writer, "HTTP/1.1 100 Continue")
            await writer.drain()

    async def _reason(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        body = "The hub \u00abh\u00bb is closed.".encode()
        chunk = b"%x\r\n%s\r\n" % (len(body), body)
        head, body = {
            "length": (f"Content-Length: {len(body)}", body),
            "chunks": ("Transfer-Encoding: chunked", chunk + b"0\r\n\r\n"),
            "open": ("Transfer-Encoding: chunked", chunk),
            "end": ("X-Nothing: more", body),
        }[argument]
        self._write(writer, "HTTP/1.1 403 Forbidden", head, body=body)
        if argument == "end":
            writer.close()
        else:
            await reader.read()

    async def _nolength(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        self._write(writer, "HTTP/1.1 500 Broken", body=b"a body of unknown length")
        writer.close()

    async def _shortbody(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        self._write(writer, "HTTP/1.1 503 Busy", "Content-Length: 100", body=b"cut")
        writer.close()

    async def _endless(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        writer.write(b"HTTP/1.1 101 x\r\nX: ")
        while not writer.is_closing():
            writer.write(b"x" * 1000)
            await writer.drain()

    async def _manylines(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        writer.write(b"HTTP/1.1 101 x\r\n")
        while not writer.is_closing():
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def _accept(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        self._switch(writer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    async def _unoffered(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        self._switch(writer, accept, "Sec-WebSocket-Protocol: mqtt")

    async def _extension(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        self._switch(writer, accept, "Sec-WebSocket-Extensions: permessage-deflate")

    async def _after_request(self, _: Reader, writer: Writer, how: str, accept: str) -> None:
        self._end(writer, how)

    async def _in_head(self, _: Reader, writer: Writer, how: str, accept: str) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgra")
        await asyncio.sleep(0.02)
        self._end(writer, how)

    async def _after_head(self, _: Reader, writer: Writer, how: str, accept: str) -> None:
        self._switch(writer, accept)
        await asyncio.sleep(0.02)
        self._end(writer, how)

    async def _in_frame(self, _: Reader, writer: Writer, how: str, accept: str) -> None:
        self._switch(writer, accept)
        writer.write(b"\x81\x02hi" + b"\x82\x7e\x10\x00" + bytes(3000))
        await asyncio.sleep(0.02)
        self._end(writer, how)

    async def _in_frame_head(self, _: Reader, writer: Writer, how: str, accept: str) -> None:
        self._switch(writer, accept)
        writer.write(b"\x81\x02hi" + b"\x82\x7e\x10")
        await asyncio.sleep(0.02)
        self._end(writer, how)

    async def _early(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        # The first frames in one segment with the head.
        self._write_joined(writer, accept, b"\x81\x05early" + b"\x82\x03abc" + b"\x88\x02\x03\xe8")
        await reader.read(4096)
        writer.close()

    def _write_joined(self, writer: Writer, accept: str, frames: bytes) -> None:
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        writer.write(head.encode() + frames)

    async def _raw(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        # The frames that the client names in hex; then waits for its Close frame, as one must.
        self._write_joined(writer, accept, bytes.fromhex(argument))
        await reader.read(4096)
        writer.close()

    async def _mute(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        # Open, and from then on as dead as a half-open link: nothing is even read.
        self._switch(writer, accept)
        writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def _deaf(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        # Reads everything, answers nothing, not even a Close.
        self._switch(writer, accept)
        while await reader.read(4096):
            pass
        writer.close()

    async def _slow(self, _: Reader, writer: Writer, argument: str, accept: str) -> None:
        # One large message, so slowly that each part comes within the silence allowed.
        self._switch(writer, accept)
        writer.write(b"\x82\x7e\x03\xe8")
        for _ in range(10):
            writer.write(bytes(100))
            await asyncio.sleep(0.06)

    async def _drip(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        # Large messages, one right behind the other, slowly; then how many pings came meanwhile.
        self._switch(writer, accept)
        for _ in range(2):
            writer.write(b"\x82\x7e" + (20_000).to_bytes(2, "big"))
            for _ in range(20):
                writer.write(bytes(1000))
                await writer.drain()
                await asyncio.sleep(0.04)
        # The client has said nothing else: each ping is 6 bytes long.
        count = len(await reader.read(4096)) // 6
        writer.write(b"\x81\x02" + f"{count:02}".encode())
        await reader.read(4096)
        writer.close()

    async def _babble(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        # Breaks the protocol and talks on: a reset would overtake the Close frame that says why.
        self._told = asyncio.get_running_loop().create_future()
        self._write_joined(writer, accept, b"\x83\x00")
        try:
            for _ in range(30):
                writer.write(bytes(4096))
                await writer.drain()
                await asyncio.sleep(0.01)
            frame = await asyncio.wait_for(reader.readexactly(8), 5)
            code = bytes(byte ^ mask for byte, mask in zip(frame[6:], frame[2:], strict=False))
            self._told.set_result(int.from_bytes(code, "big"))
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            self._told.set_result(0)
        writer.close()

    async def _why(self, reader: Reader, writer: Writer, argument: str, accept: str) -> None:
        # The code of the Close frame that the last `_babble` got; 0 for none.
        assert self._told is not None
        text = str(await asyncio.wait_for(self._told, 10)).encode()
        self._write_joined(writer, accept, bytes([0x81, len(text)]) + text)
        await reader.read(4096)
        writer.close()
