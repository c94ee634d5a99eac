"""Slow clients, floods and garbage at the three servers that may stand on the internet.

CWE-400 (slowloris) and CWE-532 (secrets in logs). Each of the three has the same listener.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from hubtool.servers import handler, negotiate
from hubtool.servers.handler_table import HandlerTable
from hubtool.servers.negotiate_table import NegotiateTable
from hubtool.servers.report import BoundedReport
from localhub import LocalHub

ACCESS_KEY = "A" * 43 + "="
KEY = "key-of-cp-7-0123456789abcdef"
SERVICE, HANDLER, NEGOTIATE = "serve", "handler", "negotiate"
SERVERS = (SERVICE, HANDLER, NEGOTIATE)
MOST = 20
SECONDS = 0.5
BASIC = base64.b64encode(f"CP-7:{KEY}".encode()).decode()
GOOD = {
    SERVICE: "GET /openapi.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    HANDLER: (
        "OPTIONS /e HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        "WebHook-Request-Origin: c.webpubsub.azure.com\r\n\r\n"
    ),
    NEGOTIATE: (
        "GET /negotiate HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        f"Authorization: Basic {BASIC}\r\n\r\n"
    ),
}
SIGNATURE = hmac.new(ACCESS_KEY.encode(), b"c1", hashlib.sha256).hexdigest()
CE = (
    "ce-type: azure.webpubsub.sys.connect\r\nce-connectionId: c1\r\n"
    f"ce-signature: sha256={SIGNATURE}\r\nWebHook-Request-Origin: c.webpubsub.azure.com\r\n"
)
# The head of a request whose body is read.
WITH_BODY = {
    SERVICE: "POST /api/hubs/chargers/:send HTTP/1.1\r\nHost: h\r\n",
    HANDLER: f"POST /e HTTP/1.1\r\nHost: h\r\n{CE}",
    NEGOTIATE: f"POST /negotiate HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {BASIC}\r\n",
}


class Server:
    """One of the three, and what its clients do to it."""

    def __init__(self, kind: str, port: int, lines: list[str]) -> None:
        self.kind, self.port, self.lines = kind, port, lines

    async def open(self, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(said)
        return reader, writer

    async def ask(self, request: str | bytes, patience: float = 20) -> bytes:
        """All of the answer; nothing when the connection just ends."""
        data = request if isinstance(request, bytes) else request.encode()
        reader, writer = await self.open(data)
        try:
            return await asyncio.wait_for(reader.read(), patience)
        except (ConnectionError, TimeoutError):
            return b""
        finally:
            writer.close()

    async def works(self) -> None:
        answer = await self.ask(GOOD[self.kind])
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]


def tables(folder: Path) -> tuple[HandlerTable, NegotiateTable]:
    (folder / "access.key").write_text(ACCESS_KEY)
    (folder / "cp-7.key").write_text(KEY)
    (folder / "string").write_text(f"Endpoint=https://c.example;AccessKey={ACCESS_KEY};")
    rules = HandlerTable.model_validate(
        {
            "access_keys": [{"file": "access.key"}],
            "allowed_origins": ["*.webpubsub.azure.com"],
            "devices": [{"match": {"query.key": {"file": "cp-7.key"}, "query.id": "CP-*"}}],
        }
    )
    devices = NegotiateTable.model_validate(
        {
            "hub": "chargers",
            "connection_string": {"file": "string"},
            "failures_per_minute": 6000,
            "requests_per_minute": 6000,
            "devices": [{"id": "CP-7", "key": {"file": "cp-7.key"}}],
        }
    )
    return rules, devices


@contextlib.asynccontextmanager
async def started(kind: str, folder: Path, tls: Any = None) -> AsyncIterator[Server]:
    lines: list[str] = []
    rules, devices = tables(folder)
    if kind == SERVICE:
        limits = {"http_connections": MOST, "request_timeout_in_seconds": SECONDS}
        service = {"access_key": ACCESS_KEY, "limits": limits}
        async with LocalHub({"service": service, "hubs": [{"name": "chargers"}]}) as hub:
            yield Server(kind, int(hub.endpoint.rpartition(":")[2]), lines)
        return
    if kind == HANDLER:
        running = handler.running(rules, folder=folder, port=0, report=lines.append)
    else:
        running = negotiate.running(devices, folder=folder, port=0, report=lines.append, tls=tls)
    async with running as url:
        yield Server(kind, int(url.split(":")[2].partition("/")[0]), lines)


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def server(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    monkeypatch.setattr("hubtool.servers.running.CONNECTIONS", MOST)
    monkeypatch.setattr("hubtool.servers.running.REQUEST_TIMEOUT", SECONDS)
    async with started(kind, tmp_path) as one:
        yield one


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends a connection, whatever it says before."""
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 20)
    return True


# -- slow clients ---------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: "])
async def test_who_does_not_finish_a_head_is_sent_away(server: Server, said: bytes) -> None:
    peers = [await server.open(said) for _ in range(3)]

    async def dribble() -> None:
        while True:
            await asyncio.sleep(0.1)
            peers[0][1].write(b"a" if said else b"\r")

    task = asyncio.create_task(dribble())
    began = time.monotonic()
    await asyncio.gather(*(ended(reader) for reader, _ in peers))
    assert time.monotonic() - began < 10
    task.cancel()
    for _, writer in peers:
        writer.close()
    await server.works()


async def test_who_does_not_finish_a_body_is_sent_away(server: Server) -> None:
    head = (
        WITH_BODY[server.kind] + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    reader, writer = await server.open(head.encode() + b"{")
    assert await ended(reader)
    writer.close()
    await server.works()


async def test_tls_that_is_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubtool.servers.running.REQUEST_TIMEOUT", SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with started(NEGOTIATE, tmp_path, context) as server:
        for said in (b"", b"\x16\x03\x01\x02\x00\x01", GOOD[NEGOTIATE].encode()):
            reader, writer = await server.open(said)
            assert await ended(reader)
            writer.close()


# -- floods ---------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost: h\r\nX-A: "])
async def test_a_flood_of_connections_locks_nobody_out(server: Server, said: bytes) -> None:
    peers = [await server.open(said) for _ in range(5 * MOST)]
    await server.works()
    for reader, _ in peers[: 3 * MOST]:
        assert await ended(reader)
    for _, writer in peers:
        writer.close()
    await server.works()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are limited otherwise there")
async def test_out_of_descriptors(server: Server) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [socket.socket() for _ in range(2 * MOST)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1].fileno() + 1, hard))
    fill = []
    try:
        with contextlib.suppress(OSError):
            while True:
                fill.append(socket.socket())
        for one in spare:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", server.port))
        await asyncio.sleep(0.2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in (*spare, *fill):
            one.close()
    await server.works()


# The service tells refusals at the level of info, which is not shown.
@pytest.mark.parametrize("kind", [HANDLER, NEGOTIATE])
async def test_a_flood_of_refusals_is_no_flood_of_lines(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedReport.__init__, "__defaults__", (5, time.monotonic))
    async with started(kind, tmp_path) as server:
        for number in range(30):
            origin = f"WebHook-Request-Origin: h{number}.evil.example\r\n"
            request = {
                HANDLER: f"OPTIONS /e HTTP/1.1\r\nHost: h\r\n{origin}",
                NEGOTIATE: f"GET /negotiate?id=CP-{number} HTTP/1.1\r\nHost: h\r\n",
            }[kind]
            assert await server.ask(request + "Connection: close\r\n\r\n")
        assert len(server.lines) == 5


def test_lines_that_were_left_out_are_counted() -> None:
    now, lines = 1000.0, []
    report = BoundedReport(lines.append, 60, lambda: now)
    for number in range(1100):
        report(f"line {number}")
    assert len(lines) == 60
    now += 1
    report("after a second")
    assert lines[60:] == ["(1,040 lines were left out: too many at once)", "after a second"]


# -- garbage --------------------------------------------------------------------------------

DEEP = b"[" * 100_000
GARBAGE = {
    "nothing of HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),
    "zeros": b"\0" * 500,
    "a line": b"hello\r\n\r\n",
    "another version": b"GET / HTTP/3.0\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "broken chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a proxy's request": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /negotiate HTTP/1.1\r\n\r\n",
    "a strange path": b"GET /%00%ff/..%2f..%2fetc/passwd?%ff=%00 HTTP/1.1\r\nHost: h\r\n\r\n",
}


def with_secret(kind: str) -> dict[str, bytes]:
    """Requests that have the device's key, or the service's, in odd places."""
    head = GOOD[kind].partition("\r\n")[0].encode() + b"\r\nHost: h\r\nConnection: close\r\n"
    key = KEY.encode()
    lines = {
        "a line feed behind it": b"Authorization: Bearer " + key + b"\n",
        "a NUL behind it": b"Authorization: Bearer " + key + b"\0",
        "a lost colon": b"Authorization Bearer " + key,
        "a blank before the colon": b"Authorization : Bearer " + key,
        "a folded line": b"Authorization: Bearer\r\n " + key,
        "half a character": b"Authorization: Bearer \xff" + key,
        "it is the scheme": b"Authorization: " + key,
        "as Basic": b"Authorization: Basic " + key,
        "as the id of Basic": b"Authorization: Basic " + base64.b64encode(key),
        "twice": b"Authorization: Bearer " + key + b"\r\nAuthorization: Bearer " + key,
        "in Host": b"Host: " + key,
        "in Cookie": b"Cookie: key=" + key,
        "in Content-Length": b"Content-Length: " + key,
        "in Transfer-Encoding": b"Transfer-Encoding: " + key,
        "in Content-Encoding": b"Content-Encoding: " + key + b"\r\nContent-Length: 0",
        "in Upgrade": b"Connection: Upgrade\r\nUpgrade: " + key,
        "in Expect": b"Expect: " + key,
        "in a long header": b"Authorization: Bearer " + key + b"x" * 9000,
        "the signature": b"ce-signature: \xe9" + key,
        "the origin": b"WebHook-Request-Origin: " + key,
        "the address": b"X-Forwarded-For: " + key,
    }
    found = {name: head + line + b"\r\n\r\n" for name, line in lines.items()}
    for target in ("/negotiate?id=", "/negotiate?id=CP-7&key=", "/", "/client/hubs/chargers?key="):
        found[f"in {target}"] = f"GET {target}{KEY} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    found["in the method"] = key + b" / HTTP/1.1\r\nHost: h\r\n\r\n"
    found["in the version"] = b"GET / " + key + b"\r\nHost: h\r\n\r\n"
    return found


def events(kind: str) -> dict[str, bytes]:
    """Bodies behind a right signature."""
    query = f'{{"query": {{"id": ["{KEY}"], "key": ["\\ud800"]}}}}'
    bodies = {
        "deep": DEEP,
        "deep in a query": b'{"query": {"a": [' + b"[" * 400 + b"]" * 400 + b"]}}",
        "a long number": b'{"query": {"a": ' + b"1" * 5000 + b"}}",
        "half a character": query.encode(),
        "no UTF-8": b"\xff\xfe",
        "a key for an id": f'{{"query": {{"id": ["{KEY}"], "key": ["{KEY}"]}}}}'.encode(),
    }
    found = {}
    for name, body in bodies.items():
        for event in ("connect", "connected", "disconnected"):
            head = WITH_BODY[kind].replace("sys.connect\r", f"sys.{event}\r")
            head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            found[f"{name}, {event}"] = head.encode() + body
    return found


async def test_garbage_gets_no_failure_and_no_secret_back(server: Server, caplog: Any) -> None:
    requests = {**GARBAGE, **with_secret(server.kind)}
    if server.kind == HANDLER:
        requests |= events(server.kind)
    with caplog.at_level(logging.DEBUG):
        for name, request in requests.items():
            answer = await server.ask(request, patience=3)
            assert not answer or answer[9:10] in (b"2", b"4"), (name, answer[:100])
            assert KEY.encode() not in answer, name
            assert ACCESS_KEY.encode() not in answer, name
            said = "\n".join([*server.lines, *(one.getMessage() for one in caplog.records)])
            assert not [one for one in caplog.records if one.levelno >= logging.WARNING], name
            assert "Traceback" not in caplog.text, name
            for secret in (KEY, ACCESS_KEY):
                assert secret not in said, name
                assert secret not in caplog.text, name
            caplog.clear()
    for line in server.lines:
        assert line.isprintable()
        assert len(line) < 1000
    await server.works()
