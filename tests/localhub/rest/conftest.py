"""A caller of the data plane that signs its own tokens and sends paths as they are written."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
import pytest_asyncio
import requests
from localhub import LocalHub
from localhub.hub.connection import Identity
from localhub.protocol.json_codec import JSON
from yarl import URL

STABLE = ["2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01"]


class Answer(NamedTuple):
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        return self.json["message"]


class Rest:
    """Calls one service."""

    def __init__(self, hub: LocalHub, session: aiohttp.ClientSession) -> None:
        self.hub = hub
        self._session = session

    @property
    def key(self) -> str:
        return self.hub.connection_string.partition("AccessKey=")[2].partition(";")[0]

    def token(self, audience: str, key: str | None = None, **claims: Any) -> str:
        claims = {"aud": audience, "exp": int(time.time()) + 60, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.key, algorithm="HS256")

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
        authorization: str | None = "sign",
    ) -> Answer:
        """Send a request.

        Args:
            path: from `/api` or from `/connections` and the like of the hub `chargers`; with its
                query; sent as it is.
            body: bytes as they are, None for none, everything else as JSON.
            authorization: the header; None for none; by default what the SDKs do.
        """
        if not path.startswith(("/api", "/openapi")):
            path = f"/api/hubs/chargers{path}"
        url = self.hub.endpoint + path
        headers = dict(headers or {})
        if authorization == "sign":
            authorization = f"Bearer {self.token(url)}"
        if authorization is not None:
            headers["Authorization"] = authorization
        if body is not None and not isinstance(body, bytes):
            body, content_type = json.dumps(body).encode(), content_type or "application/json"
        if content_type is not None:
            headers["Content-Type"] = content_type
        async with self._session.request(
            method,
            URL(url, encoded=True),
            data=body if body is None else io.BytesIO(body),
            headers=headers,
            skip_auto_headers=["Content-Type"],
        ) as response:
            return Answer(response.status, response.headers, await response.text())

    async def text(self, path: str, text: str = "hi") -> Answer:
        """Send a text message."""
        return await self("POST", path, text.encode(), content_type="text/plain")


@pytest_asyncio.fixture
async def rest(localhub: LocalHub) -> AsyncIterator[Rest]:
    """Calls the service of the fixture `localhub`."""
    async with aiohttp.ClientSession() as session:
        yield Rest(localhub, session)


@pytest_asyncio.fixture
async def rest_of() -> AsyncIterator[Any]:
    """Makes callers of services that the test starts itself."""
    async with aiohttp.ClientSession() as session:
        yield lambda hub: Rest(hub, session)


class Service:
    """A service in a thread of its own, for what calls it synchronously."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.hub = LocalHub()
        self.wait_for(self.hub.start())
        self.key = self.hub.connection_string.partition("AccessKey=")[2].partition(";")[0]
        self.session = requests.Session()
        self.session.trust_env = False

    def wait_for(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self) -> None:
        self.session.close()
        self.wait_for(self.hub.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()

    async def populate(self) -> None:
        """See to it that the connection `live` of the user `al` in the group `g` exists."""
        hub = self.hub.control.hub("chargers")
        if "live" not in hub.connections:
            hub.connect(JSON, Identity(user_id="al", groups=("g",)), connection_id="live")

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """What the SDKs do: the complete URL is the audience."""
        claims = {"aud": request.url, "exp": int(time.time()) + 60}
        token = jwt.encode(claims, self.key, algorithm="HS256")
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    def call(self, case: Any) -> Any:
        return case.call(base_url=self.hub.endpoint, session=self.session, auth=self.sign)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service for synchronous callers."""
    service = Service()
    yield service
    service.close()
