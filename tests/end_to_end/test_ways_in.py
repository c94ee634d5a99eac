"""Every way to authenticate, from the command that a person runs to a device on MicroPython.

| Way | Command | What the device has |
|---|---|---|
| connection string | `hubtool token` | a Client Access Token |
| Client Access Token | none: it was made elsewhere, by Azure's SDK | the token |
| Microsoft Entra ID, keys off | `hubtool token --entra` | a token that the service made |
| anonymous | `hubtool handler` decides | its id |
| negotiate, by key or by Entra ID | `hubtool negotiate` | a key of its own |
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from localhub import LocalHub
from websockets.asyncio.client import connect

from tests.support.protocol import JSON

SCENARIO = Path(__file__).parent / "ways_in.py"
ROLES = ("webpubsub.sendToGroup.site", "webpubsub.joinLeaveGroup.site")
KEY = "key-of-cp-7-0123456789"
EXPECTED = """\
connected as CP-7
group site hello, CP-7
closed
"""
ENTRA = {
    "principals": [{"name": "server"}],
    "role_assignments": [{"assignee": "server", "role": "Web PubSub Service Owner"}],
}
NO_KEYS = {"service": {"tls": {}, "disable_local_auth": True}, "entra": ENTRA}
NEGOTIATE = """\
[negotiate]
port = 0
hub = "chargers"
{source}

[[negotiate.devices]]
id = "CP-7"
key = {{ env = "DEVICE_KEY" }}
roles = ["webpubsub.sendToGroup.site"]
groups = ["site"]
"""


class Way:
    """One test: a service, the commands beside it, and at last the device."""

    def __init__(self, hub: LocalHub, interpreter: Any, folder: Path) -> None:
        self.hub = hub
        self._interpreter = interpreter
        self.folder = folder

    async def hubtool(self, *words: str, **extra: str) -> str:
        """Run a command to its end; gives what it prints."""
        process = await self._start(words, extra, stderr=asyncio.subprocess.PIPE)
        output, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, errors.decode()
        return output.decode().strip()

    @contextlib.asynccontextmanager
    async def serving(self, *words: str, **extra: str) -> AsyncIterator[str]:
        """Run a command that serves; gives its URL."""
        process = await self._start(words, extra, stderr=asyncio.subprocess.STDOUT)
        assert process.stdout is not None
        try:
            line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
            assert line.startswith("Listening on "), line
            yield line.split()[-1]
        finally:
            process.kill()
            await process.communicate()

    async def _start(
        self, words: tuple[str, ...], extra: dict[str, str], **pipes: int
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *["-m", "hubtool", *words],
            cwd=self.folder,
            env={**os.environ, **extra},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            **pipes,
        )

    def ca_file(self) -> str:
        """The service's CA as a board has it."""
        path = self.folder / "ca.der"
        path.write_bytes(self.hub.ca_der or b"")
        return str(path)

    async def device(self, watcher: str, **environment: str) -> None:
        """Run the device; somebody at the URL `watcher` answers it. It must see all of it."""
        ready = asyncio.Event()
        answering = asyncio.create_task(_answer(watcher, ready))
        try:
            await asyncio.wait_for(ready.wait(), 30)
            output = await self._interpreter.run_beside(SCENARIO, **environment)
            assert output == EXPECTED
            assert await asyncio.wait_for(answering, 30) == {"kw": 7.2}
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


async def _answer(url: str, ready: asyncio.Event) -> Any:
    """Wait for a message of the group, and greet whoever sent it; gives the message."""
    async with connect(url, subprotocols=[JSON]) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "joinGroup", "group": "site", "ackId": 1}))
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "ack":
                assert frame["success"], frame
                ready.set()
            elif frame["type"] == "message":
                greeting = {"dataType": "text", "data": f"hello, {frame['fromUserId']}"}
                greeting |= {"type": "sendToGroup", "group": "site", "noEcho": True}
                await socket.send(json.dumps(greeting))
                return frame["data"]
    raise AssertionError("the connection ended without a message")


@pytest.fixture
def way(localhub: LocalHub, interpreter: Any, tmp_path: Path) -> Way:
    return Way(localhub, interpreter, tmp_path)


TOKEN = ["--user-id", "CP-7", "--role", ROLES[0], "--group", "site", "--lifetime", "1h"]


async def test_by_connection_string(way: Way, localhub: LocalHub) -> None:
    words = ["token", "chargers", "--connection-string-env", "CONNECTION_STRING", *TOKEN]
    token = await way.hubtool(*words, CONNECTION_STRING=localhub.connection_string)
    watcher = localhub.client_url("chargers", "peer", ROLES)
    await way.device(watcher, WAY="token", ENDPOINT=localhub.endpoint, TOKEN=token)


@pytest.mark.localhub({"service": {"tls": {}}})
async def test_by_client_access_token(way: Way, localhub: LocalHub) -> None:
    """Over TLS, which the device verifies; the token is of Azure's SDK, with the other key."""
    secondary = localhub.secondary_connection_string
    with WebPubSubServiceClient.from_connection_string(secondary, "chargers") as client:
        made = client.get_client_access_token(
            user_id="CP-7", roles=[ROLES[0]], groups=["site"], minutes_to_expire=5
        )
    await way.device(
        localhub.client_url("chargers", "peer", ROLES),
        WAY="token",
        ENDPOINT=localhub.tls_endpoint or "",
        TOKEN=made["token"],
        CA=way.ca_file(),
    )


async def _watcher_without_keys(hub: LocalHub) -> str:
    """A peer's URL: where keys are switched off, it comes from the service, too."""
    environment, verify = hub.entra_environment("server"), str(hub.ca_pem_path)

    def ask() -> str:
        credential = ClientSecretCredential(
            environment["AZURE_TENANT_ID"],
            environment["AZURE_CLIENT_ID"],
            environment["AZURE_CLIENT_SECRET"],
            authority=environment["AZURE_AUTHORITY_HOST"],
            disable_instance_discovery=True,
            connection_verify=verify,
        )
        endpoint = str(hub.tls_endpoint)
        client = WebPubSubServiceClient(endpoint, "chargers", credential, connection_verify=verify)
        with credential, client:
            return str(client.get_client_access_token(user_id="peer", roles=ROLES)["token"])

    token = await asyncio.to_thread(ask)
    return f"{hub.endpoint.replace('http', 'ws', 1)}/client/hubs/chargers?access_token={token}"


@pytest.mark.localhub(NO_KEYS)
async def test_by_entra_id(way: Way, localhub: LocalHub) -> None:
    endpoint = str(localhub.tls_endpoint)
    words = ["token", "chargers", "--entra", "--endpoint", endpoint, *TOKEN]
    token = await way.hubtool(*words, **localhub.entra_environment("server"))
    watcher = await _watcher_without_keys(localhub)
    await way.device(watcher, WAY="token", ENDPOINT=endpoint, TOKEN=token, CA=way.ca_file())


async def test_anonymously(interpreter: Any, tmp_path: Path) -> None:
    """The event handler, a process of its own, says who the device is and what it may do."""
    (tmp_path / "handler.toml").write_text(
        "[handler]\nport = 0\n[[handler.devices]]\n"
        'match = { query.id = "CP-*" }\nuser_id = "{query.id}"\n'
        f'roles = ["{ROLES[0]}"]\ngroups = ["site"]\n'
        '[[handler.devices]]\nmatch = { claim.sub = "peer" }\n'
    )
    async with contextlib.AsyncExitStack() as stack:
        idle = Way(LocalHub(), interpreter, tmp_path)
        handler = idle.serving("handler", "--config", "handler.toml")
        url = await stack.enter_async_context(handler)
        events = {"url_template": f"{url}/eventhandler/{{event}}", "system_events": ["connect"]}
        chargers = {
            "name": "chargers",
            "anonymous_connect_policy": "allow",
            "event_handlers": [events],
        }
        hub = await stack.enter_async_context(LocalHub({"hubs": [chargers]}))
        way = Way(hub, interpreter, tmp_path)
        watcher = hub.client_url("chargers", "peer", ROLES)
        await way.device(watcher, WAY="anonymous", ENDPOINT=hub.endpoint)


@pytest.mark.localhub({"service": {"tls": {}}})
async def test_by_negotiation_with_a_key(way: Way, localhub: LocalHub) -> None:
    """All by TLS, with the CA that both servers share."""
    key = localhub.connection_string.partition("AccessKey=")[2]
    connection_string = f"Endpoint={localhub.tls_endpoint};AccessKey={key}"
    async with _negotiating(
        way,
        'connection_string = { env = "CONNECTION_STRING" }',
        CONNECTION_STRING=connection_string,
    ) as url:
        watcher = localhub.client_url("chargers", "peer", ROLES)
        await way.device(watcher, WAY="negotiate", NEGOTIATE=url, KEY=KEY, CA=way.ca_file())


@pytest.mark.localhub(NO_KEYS)
async def test_by_negotiation_without_keys(way: Way, localhub: LocalHub) -> None:
    watcher = await _watcher_without_keys(localhub)
    source = f'endpoint = "{localhub.tls_endpoint}"'
    async with _negotiating(way, source, **localhub.entra_environment("server")) as url:
        await way.device(watcher, WAY="negotiate", NEGOTIATE=url, KEY=KEY, CA=way.ca_file())


@contextlib.asynccontextmanager
async def _negotiating(way: Way, source: str, **environment: str) -> AsyncIterator[str]:
    """`hubtool negotiate --tls`, with the CA of the service; gives its URL."""
    assert way.hub.ca_pem_path is not None
    state = way.folder / ".state"
    state.mkdir()
    for file in way.hub.ca_pem_path.parent.glob("localhub-ca*.pem"):
        (state / file.name).write_bytes(file.read_bytes())
    (way.folder / "negotiate.toml").write_text(NEGOTIATE.format(source=source))
    words = ["negotiate", "--config", "negotiate.toml", "--tls"]
    async with way.serving(*words, DEVICE_KEY=KEY, **environment) as url:
        # The certificate is for this name, too; MicroPython compares names only.
        yield url.replace("127.0.0.1", "localhost")
