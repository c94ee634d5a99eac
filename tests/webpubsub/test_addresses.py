"""Addresses on CPython: tried side by side, each with a limit, kept for when names fail."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from webpubsub import sockets
from webpubsub.errors import TransportError

NAME = ("hub.example", 443)
Found = list[tuple[int, int, int, str, tuple[str, int]]]


def info(port: int, family: int = socket.AF_INET, host: str = "127.0.0.1") -> Any:
    """What getaddrinfo says of an address."""
    return family, socket.SOCK_STREAM, 6, "", (host, port)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that lets connections wait for ever, as behind a firewall."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    # A queue that is full makes the kernel drop further attempts.
    waiting = [socket.socket() for _ in range(3)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(listener.getsockname())
    yield listener.getsockname()[1]
    for each in [listener, *waiting]:
        each.close()


@pytest.fixture
async def good() -> AsyncIterator[int]:
    """A port where somebody answers."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


class Attempts:
    """Opens streams where names lead to what a test says.

    Attributes:
        tried: the addresses, in their order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.tried: list[tuple[str, int]] = []
        monkeypatch.setattr(sockets, "good_addresses", {})

    async def open(self, found: Found | None, answers: bool = True) -> int:
        """The port that a stream was opened to. answers: whether its server is the right one."""
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def getaddrinfo(*_: Any, **__: Any) -> Found:
            if found is None:
                raise socket.gaierror(-2, "Name or service not known")
            return found

        async def sock_connect(sock: socket.socket, address: tuple[str, int]) -> None:
            self.tried.append(address)
            await connect(sock, address)
            self.reached = address[1]

        with self.patch.context() as patch:
            patch.setattr(loop, "getaddrinfo", getaddrinfo)
            patch.setattr(loop, "sock_connect", sock_connect)
            stream = await sockets.open_stream(*NAME)
        stream.close()
        name, where = stream.address
        assert name == NAME
        if answers:
            sockets.good_addresses[name] = where
        return self.reached


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    return Attempts(monkeypatch)


async def test_a_silent_address_does_not_hold_up_the_next_one(
    attempts: Attempts, good: int, silent: int
) -> None:
    for found in ([info(silent), info(silent), info(good)], [info(good), info(silent)]):
        begun = time.monotonic()
        assert await attempts.open(found) == good
        assert time.monotonic() - begun < sockets.ADDRESS_TIMEOUT


async def test_families_take_turns(attempts: Attempts, good: int, silent: int) -> None:
    found = [info(silent), info(good), info(1, socket.AF_INET6, "::1")]
    assert await attempts.open(found) == good
    assert attempts.tried == [("127.0.0.1", silent), ("::1", 1), ("127.0.0.1", good)]


async def test_each_address_has_a_limit(
    attempts: Attempts, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "ADDRESS_TIMEOUT", 0.3)
    with pytest.raises(TransportError, match=r"hub\.example port 443: no answer"):
        await asyncio.wait_for(attempts.open([info(silent)] * 2), 20)


async def test_what_refuses_is_no_reason_to_wait(attempts: Attempts) -> None:
    with pytest.raises(TransportError, match=r"cannot connect to hub\.example port 443"):
        await attempts.open([info(1), info(1)])
    assert len(attempts.tried) == 2


async def test_the_last_good_addresses_serve_while_names_fail(
    attempts: Attempts, good: int
) -> None:
    with pytest.raises(TransportError, match=r"cannot resolve hub\.example"):
        await attempts.open(None)
    await attempts.open([info(good)], answers=False)
    with pytest.raises(TransportError, match="cannot resolve"):
        await attempts.open(None)
    await attempts.open([info(good)])
    assert await attempts.open(None) == good
    # Names come first as soon as they are there.
    with pytest.raises(TransportError, match="cannot connect"):
        await attempts.open([info(1)])


async def test_a_cancelled_attempt_leaves_nothing(attempts: Attempts, silent: int) -> None:
    before = asyncio.all_tasks()
    task = asyncio.create_task(attempts.open([info(silent)] * 3))
    while len(attempts.tried) < 2:
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while asyncio.all_tasks() != before:
            await asyncio.sleep(0.02)
