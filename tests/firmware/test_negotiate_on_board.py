"""A board with a key, from its settings to the hub: over TLS, with a CA for each server."""

import asyncio
import contextlib
import re
import ssl

import aiohttp
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hubtool.servers.negotiate import running
from hubtool.servers.negotiate_table import NegotiateTable
from localhub import LocalHub

CONFIG = {"service": {"tls": {"port": 0}}, "hubs": [{"name": "chargers"}]}
JSON = "json.webpubsub.azure.v1"
FIRST, SECOND = "k7-" + "a" * 40, "k7-" + "b" * 40
DEVICE = {"id": "CP-7", "roles": ["webpubsub.sendToGroup.replies"], "groups": ["commands"]}
PATIENCE = 40


@pytest.fixture
async def service():
    async with LocalHub(CONFIG) as hub:
        yield hub


class Servers:
    """Negotiate servers of one CA; `log` has what they report."""

    def __init__(self, service, folder, stack):
        self.authority = trustme.CA()
        pem = self.authority.cert_pem.bytes()
        self.ca_der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        self.log = []
        self._folder = folder
        self._stack = stack
        key = service.connection_string.partition("AccessKey=")[2].partition(";")[0]
        text = f"Endpoint={service.tls_endpoint};AccessKey={key};Version=1.0;"
        (folder / "connection").write_text(text)

    async def start(self, key, log=None):
        """The URL of one that takes a key."""
        path = self._folder / f"key-{key[-1]}"
        path.write_text(key)
        table = NegotiateTable.model_validate(
            {
                "hub": "chargers",
                "connection_string": {"file": "connection"},
                "devices": [{"key": {"file": path.name}, **DEVICE}],
            }
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1").configure_cert(context)
        report = self.log.append if log is None else log.append
        server = running(table, folder=self._folder, port=0, tls=context, report=report)
        return await self._stack.enter_async_context(server)


@pytest.fixture
async def servers(service, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        yield Servers(service, tmp_path, stack)


@pytest.fixture
def make(service, servers, make_board, slot_files, time_server):
    async def make(url, key=FIRST, ca=None, **hub):
        files = slot_files(
            negotiate_key=key,
            ca=service.ca_der + servers.ca_der if ca is None else ca,
            hub={
                "endpoint": service.tls_endpoint,
                "credential": "negotiate",
                "negotiate": {"url": url},
                **hub,
            },
            clock={"ntp": [time_server.address]},
            telemetry={"group": ""},
        )
        return await asyncio.to_thread(make_board, files)

    return make


async def wait_for(board, wanted):
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


@pytest.fixture
async def give(service):
    """`give(name, **arguments)`: a command of the operator's; its outcome, a dict."""
    url = service.client_url(
        "chargers", user_id="ops", roles=("webpubsub.sendToGroup",), groups=("replies",)
    )
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(JSON,)) as ws,
    ):

        async def give(name, **arguments):
            data = {"command": name, "id": name, "arguments": arguments}
            await ws.send_json({"type": "sendToGroup", "group": "commands", "data": data})
            async with asyncio.timeout(PATIENCE):
                while True:
                    answer = (await ws.receive_json()).get("data", {})
                    if "reply" in answer and not answer.get("pending"):
                        return answer

        yield give


async def test_a_board_with_a_key_comes_onto_the_hub(servers, make):
    board = await make(await servers.start(FIRST))
    await wait_for(board, "[clock] not set: TLS waits for it")
    await wait_for(board, "[hub] connected as CP-7")
    assert servers.log == ["let in CP-7 at 127.0.0.1"]
    await asyncio.to_thread(board.reset)
    await wait_for(board, "[hub] connected as CP-7")
    assert len(servers.log) == 2
    assert FIRST not in board.console
    assert "access_token" not in board.console


async def test_a_wrong_key_is_told_with_both_sides_to_fix(servers, make):
    board = await make(await servers.start(FIRST), SECOND)
    await wait_for(board, "[hub] 127.0.0.1 refused to negotiate with HTTP 401")
    shown = await wait_for(board, re.compile(r"check device\.id and hub\.negotiate\.key[^\r\n]*"))
    assert "there and here, and run hubtool configure" in shown
    assert "connected as" not in board.console
    assert SECOND not in board.console


async def test_a_ca_that_is_missing_for_one_of_the_servers(service, servers, make):
    board = await make(await servers.start(FIRST), ca=service.ca_der)
    await wait_for(board, "[hub] TLS: the exchange with 127.0.0.1 failed: ")
    await wait_for(board, "check tls.ca")
    assert "connected as" not in board.console


async def test_a_new_key_is_tried_first_and_kept_or_rolled_back(servers, make, give):
    second = []
    first_url = await servers.start(FIRST)
    url = await servers.start(SECOND, second)
    board = await make(first_url, endpoints_allowed=[url.removesuffix("/negotiate")])
    await wait_for(board, "[hub] connected as CP-7")
    # A key that this server does not take.
    outcome = await give("set_negotiate", key=SECOND)
    assert outcome["ok"] is False
    assert outcome["error"].startswith(
        "set_negotiate was rolled back: 127.0.0.1 refused to negotiate with HTTP 401"
    )
    await wait_for(board, "[hub] connected as CP-7")
    outcome = await give("set_negotiate", key=SECOND, url=url)
    assert outcome["result"] == {"kept": "set_negotiate", "generation": 2}
    assert second == ["let in CP-7 at 127.0.0.1"]
    for key in (FIRST, SECOND):
        assert key not in board.console


async def test_nobody_moves_a_board_to_a_server_of_his_own(servers, make, give):
    board = await make(await servers.start(FIRST))
    await wait_for(board, "[hub] connected as CP-7")
    outcome = await give("set_negotiate", key=SECOND, url="https://evil.example/negotiate")
    assert outcome["ok"] is False
    assert "not of a server in hub.endpoints_allowed" in outcome["error"]
    assert SECOND not in board.console
