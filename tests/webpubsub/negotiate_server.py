"""An application server for device scripts; the path says how it answers, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


def answer(body: str, *fields: str, status: str = "200 OK") -> bytes:
    """An HTTP answer with a length."""
    length = f"Content-Length: {len(body.encode())}"
    return ("\r\n".join([f"HTTP/1.1 {status}", length, *fields, "", ""]) + body).encode()


class NegotiateServer:
    """Counts the requests by path. `url` gives what `/url` hands out."""

    def __init__(self, url: Callable[[], str] = lambda: "wss://h/client/hubs/a") -> None:
        self.port = 0
        self.url = url
        self.requests: list[str] = []
        self._open: list[Writer] = []

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Accept connections for as long as the context lasts; gives the port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self.port
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._open.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            name, _, argument = head.split()[1].lstrip("/").partition("/")
            await getattr(self, "_" + name)(writer, argument, head)
            await writer.drain()
        writer.close()

    async def _url(self, writer: Writer, _: str, head: str) -> None:
        writer.write(answer(json.dumps({"url": self.url()})))

    async def _head(self, writer: Writer, _: str, head: str) -> None:
        # What the request was, as the query of a URL.
        writer.write(answer(json.dumps({"url": f"wss://h/?head={head.encode().hex()}"})))

    async def _slowly(self, writer: Writer, _: str, head: str) -> None:
        for byte in answer(json.dumps({"url": self.url()})):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.0005)

    async def _chunked(self, writer: Writer, _: str, head: str) -> None:
        body = json.dumps({"url": self.url()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (body[:9], body[9:]):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"0\r\n\r\n")
        await asyncio.sleep(30)  # kept open: the end of the body must be enough

    async def _until_end(self, writer: Writer, _: str, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"url": self.url()}).encode())

    async def _status(self, writer: Writer, argument: str, head: str) -> None:
        fields = ["Location: /url/elsewhere"] if argument[0] == "3" else []
        fields += ["Retry-After: 17"] if argument in ("429", "503") else []
        writer.write(answer("not today\n", *fields, status=f"{argument} So"))

    async def _trickle(self, writer: Writer, argument: str, head: str) -> None:
        # A refusal whose body never ends.
        writer.write(f"HTTP/1.1 {argument} So\r\nContent-Length: 100\r\n\r\nno".encode())
        await writer.drain()
        await asyncio.sleep(30)

    async def _body(self, writer: Writer, argument: str, head: str) -> None:
        writer.write(answer({"none": "", "rubbish": "\x01{"}.get(argument, "x" * 9000)))

    async def _silent(self, writer: Writer, _: str, head: str) -> None:
        await asyncio.sleep(30)

    async def _cut(self, writer: Writer, argument: str, head: str) -> None:
        data = answer(json.dumps({"url": self.url()}))
        writer.write(data[: int(argument)])

    async def _garbage(self, writer: Writer, _: str, head: str) -> None:
        writer.write(bytes(range(256)) * 20)
