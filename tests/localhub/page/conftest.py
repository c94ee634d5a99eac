"""A stand-in for the browser: it sends what a browser sends, and other things on request."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from localhub import LocalHub
from localhub.visitors import Visitors

PATIENCE = 20


class Page:
    """A page of a service.

    Args:
        session: sends the requests.
        hub: the service.
        host: what the browser believes it speaks to, `host:port`.

    Attributes:
        cookie: what it got when it opened the printed address; None for a stranger.
    """

    def __init__(self, session: aiohttp.ClientSession, hub: LocalHub, host: str | None) -> None:
        self.session = session
        self.endpoint = endpoint = hub.endpoint
        visitors = Visitors(hub.control.keys.issuing)
        self.cookie: str | None = f"{visitors.cookie}={visitors.secret}"
        self.host = host or endpoint.partition("://")[2]

    async def ask(
        self, method: str, path: str, **options: Any
    ) -> tuple[int, dict[str, Any], aiohttp.ClientResponse]:
        """Status, body and response of a request; the headers are a browser's."""
        given = options.pop("headers", {})
        headers = {
            "Host": self.host,
            "Origin": f"http://{self.host}",
            "Cookie": self.cookie,
            **given,
        }
        headers = {name: value for name, value in headers.items() if value is not None}
        if isinstance(options.get("data"), bytes):
            options["data"] = io.BytesIO(options["data"])  # aiohttp warns of long bytes
        request = self.session.request(method, self.endpoint + path, headers=headers, **options)
        async with request as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else {"text": text}, response

    async def get(self, path: str, **headers: str | None) -> tuple[int, str]:
        """Status and text of a page or file."""
        status, body, _ = await self.ask("GET", path, headers={"Origin": None, **headers})
        return status, body.get("text", body.get("error", ""))

    async def post(self, path: str, value: Any, **options: Any) -> tuple[int, str]:
        """Status, and the line that somebody sees."""
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        data = json.dumps(value).encode()
        status, body, _ = await self.ask("POST", path, data=data, headers=headers, **options)
        return status, body.get("message", body.get("error"))

    @asynccontextmanager
    async def feed(self, **headers: str | None) -> AsyncIterator[Feed]:
        """The live feed."""
        all_headers = {
            "Host": self.host,
            "Origin": f"http://{self.host}",
            "Cookie": self.cookie,
            **headers,
        }
        async with self.session.ws_connect(
            f"{self.endpoint}/page/feed",
            headers={name: value for name, value in all_headers.items() if value is not None},
            max_msg_size=0,
        ) as socket:
            yield Feed(socket)


class Feed:
    """A live feed, and what it has said: rows, and the latest of everything else."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.rows: list[dict[str, Any]] = []
        self.skipped = 0
        self.latest: dict[str, Any] = {}

    async def read(self) -> None:
        """Take the next message."""
        news = json.loads(await self.socket.receive_str(timeout=PATIENCE))
        self.rows += news.pop("rows", [])
        self.skipped += news.pop("skipped", 0)
        self.latest.update(news)

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Read until a condition holds; gives what it gives."""

        async def reading() -> Any:
            while not (result := condition()):
                await self.read()
            return result

        return await asyncio.wait_for(reading(), PATIENCE)

    async def row(self, kind: str) -> dict[str, Any]:
        """The first row of a kind."""

        def found() -> Any:
            return next((row for row in self.rows if row["kind"] == kind), None)

        return await self.until(found)

    async def state(self) -> dict[str, Any]:
        """The next state that it gets."""
        self.latest.pop("state", None)
        return await self.until(lambda: self.latest.get("state"))


@pytest_asyncio.fixture
async def open_page() -> AsyncIterator[Callable[..., Page]]:
    """Opens pages of a service, by another name on request."""
    # Its cookies are written by hand.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield lambda hub, host=None: Page(session, hub, host)


@pytest.fixture
def page(localhub: LocalHub, open_page: Callable[..., Page]) -> Page:
    """The page of the test's service."""
    return open_page(localhub)
