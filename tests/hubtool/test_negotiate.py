"""`hubtool negotiate` over real HTTP: who gets a URL, who does not, and what is never shown."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
import trustme
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.servers.negotiate import running
from hubtool.servers.negotiate_table import NegotiateTable, load_negotiate_table
from hubtool.servers.rate_limit import RateLimit
from hubtool.tokens.maker import TokenMaker
from localhub import LocalHub

ACCESS_KEY = "A" * 43 + "="
CONNECTION_STRING = f"Endpoint=https://c.webpubsub.azure.com;AccessKey={ACCESS_KEY};Version=1.0;"
KEY, OTHER_KEY = "key-of-cp-7-0123456789", "key-of-cp-8-0123456789"
CONFIG = """\
[negotiate]
port = 0
hub = "chargers"
connection_string = { env = "TEST_CONNECTION_STRING" }
lifetime = "10m"

[[negotiate.devices]]
id = "CP-7"
key = { env = "TEST_KEY" }
roles = ["webpubsub.sendToGroup.telemetry"]
groups = ["commands"]

[[negotiate.devices]]
id = "CP-8"
key = { file = "cp-8.key" }
user_id = "eight"
"""


class Answer(NamedTuple):
    status: int
    headers: Any
    text: str

    @property
    def claims(self) -> dict[str, Any]:
        url = json.loads(self.text)["url"]
        token = url.partition("?access_token=")[2]
        return jwt.decode(token, options={"verify_signature": False})


class Server:
    """What devices do to the server; `lines` is its log."""

    def __init__(self, session: aiohttp.ClientSession, url: str, lines: list[str]) -> None:
        self.session, self.url, self.lines = session, url, lines

    async def ask(self, query: str = "", method: str = "GET", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.url}?{query}" if query else self.url
        async with self.session.request(method, url, headers=named, ssl=False) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def bearer(self, device_id: str = "CP-7", key: str = KEY, **headers: str) -> Answer:
        return await self.ask(f"id={device_id}", Authorization=f"Bearer {key}", **headers)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration and the secrets are."""
    monkeypatch.setenv("TEST_CONNECTION_STRING", CONNECTION_STRING)
    monkeypatch.setenv("TEST_KEY", KEY)
    (tmp_path / "cp-8.key").write_text(OTHER_KEY + "\n")
    (tmp_path / "hub.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def table(folder: Path) -> NegotiateTable:
    table = load_negotiate_table(folder / "hub.toml")
    assert table is not None
    return table


Serving = Callable[..., contextlib.AbstractAsyncContextManager[Server]]


@pytest.fixture
def serving(folder: Path) -> Serving:
    @contextlib.asynccontextmanager
    async def serve(
        table: NegotiateTable, maker: TokenMaker | None = None
    ) -> AsyncIterator[Server]:
        lines: list[str] = []
        async with (
            running(table, folder=folder, report=lines.append, maker=maker) as url,
            aiohttp.ClientSession() as session,
        ):
            yield Server(session, url, lines)
        # Whatever happened: no secret, and nothing that a terminal would obey.
        for line in lines:
            assert line.isprintable()
            for secret in (KEY, OTHER_KEY, ACCESS_KEY, "eyJ"):
                assert secret not in line

    return serve


# -- who gets a URL -------------------------------------------------------------------------


async def test_a_device_gets_a_url_with_its_rights(table, serving):
    async with serving(table) as server:
        answer = await server.bearer()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        url = json.loads(answer.text)["url"]
        assert url.startswith("wss://c.webpubsub.azure.com/client/hubs/chargers?access_token=")
        token = url.partition("=")[2]
        audience = "https://c.webpubsub.azure.com/client/hubs/chargers"
        claims = jwt.decode(token, ACCESS_KEY, algorithms=["HS256"], audience=audience)
        assert (claims["sub"], claims["exp"] - claims["iat"]) == ("CP-7", 600)
        assert claims["role"] == ["webpubsub.sendToGroup.telemetry"]
        assert claims["webpubsub.group"] == ["commands"]
        assert server.lines == ["let in CP-7 at 127.0.0.1"]


async def test_ways_to_ask(table, serving):
    async with serving(table) as server:
        answer = await server.ask(Authorization=basic(f"CP-8:{OTHER_KEY}"))
        assert answer.claims["sub"] == "eight"
        assert (await server.ask(Authorization=basic(f"CP-7:{KEY}"))).claims["sub"] == "CP-7"
        answer = await server.ask("id=CP-7", "POST", Authorization=f"bearer {KEY}")
        assert answer.claims["sub"] == "CP-7"
        # Every connection gets a token of its own.
        assert (await server.bearer()).status == 200


@pytest.mark.parametrize(
    ("query", "header"),
    [
        ("", None),
        ("id=CP-7", None),
        (f"id=CP-7&key={KEY}", None),
        ("id=CP-7", f"Bearer {OTHER_KEY}"),
        ("id=CP-8", f"Bearer {KEY}"),
        ("id=CP-9", f"Bearer {KEY}"),
        ("id=cp-7", f"Bearer {KEY}"),
        ("", f"Bearer {KEY}"),
        ("id=CP-7", f"Bearer {KEY[:-1]}"),
        ("id=CP-7", f"Bearer {KEY}x"),
        ("id=CP-7", "Bearer"),
        ("id=CP-7", f"Basic {KEY}"),
        ("id=CP-7", f"Digest {KEY}"),
        ("", "Basic %%%"),
        ("", basic(f"CP-7:{OTHER_KEY}")),
        ("id=CP-7", basic(f":{KEY}")),
        ("", "Basic " + base64.b64encode(b"\xff\xfe:x").decode()),
        ("id=%1b[31m%0a" + "x" * 500, f"Bearer {KEY}"),
    ],
)
async def test_nobody_else_gets_one(table, serving, query, header):
    async with serving(table) as server:
        answer = await server.ask(query, **({"Authorization": header} if header else {}))
        assert (answer.status, answer.text) == (401, "device id or key is wrong\n")
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        (line,) = server.lines
        assert line.endswith("at 127.0.0.1: id or key wrong")


async def test_other_paths_and_methods(table, serving):
    async with serving(table) as server:
        for method, status in (("PUT", 405), ("DELETE", 405), ("HEAD", 405)):
            assert (await server.ask("id=CP-7", method)).status == status
        for path in ("", "/negotiate/x", "/.env"):
            url = server.url.removesuffix("/negotiate") + path
            async with server.session.get(url) as answer:
                assert answer.status == 404
        body = b"x" * 100_000
        headers = {"Authorization": f"Bearer {KEY}"}
        async with server.session.post(f"{server.url}?id=CP-7", data=body, headers=headers) as one:
            assert one.status in (200, 413), "the body says nothing, however long it is"


# -- limits ---------------------------------------------------------------------------------


def changed(table: NegotiateTable, **changes: Any) -> NegotiateTable:
    return table.model_copy(update=changes)


async def test_guessing_is_slowed_down(table, serving):
    async with serving(changed(table, failures_per_minute=3)) as server:
        answers = [await server.bearer(key=f"guess-{number}") for number in range(6)]
        assert [answer.status for answer in answers] == [401] * 3 + [429] * 3
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
        assert len(server.lines) == 3, "a flood does not fill the log"
        assert (await server.bearer()).status == 429


async def test_one_device_cannot_ask_without_end(table, serving):
    async with serving(changed(table, requests_per_minute=2)) as server:
        answers = [await server.bearer() for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 30
        assert (await server.bearer("CP-8", OTHER_KEY)).status == 200


async def test_addresses_behind_a_proxy(table, serving):
    one = changed(table, failures_per_minute=1)
    async with serving(changed(one, trusted_proxies=1)) as server:
        # What a client writes itself stands before what the proxy adds.
        for forged in ("1.2.3.4, 192.0.2.1", "5.6.7.8, 192.0.2.1"):
            answer = await server.bearer(key="wrong", X_Forwarded_For=forged)
        assert answer.status == 429
        assert (await server.bearer(X_Forwarded_For="9.9.9.9, 192.0.2.2")).status == 200
        # An IPv6 customer has a network of addresses.
        for address in ("2001:db8::1", "2001:db8::2"):
            answer = await server.bearer(key="wrong", X_Forwarded_For=address)
        assert answer.status == 429
        assert (await server.bearer(X_Forwarded_For="2001:db8:0:1::1")).status == 200
        assert (await server.bearer(X_Forwarded_For="rubbish\u2028")).status == 200
    async with serving(one) as server:
        for address in ("1.2.3.4", "5.6.7.8"):
            answer = await server.bearer(key="wrong", X_Forwarded_For=address)
        assert answer.status == 429, "without a proxy the header is hearsay"


@pytest.mark.parametrize(
    ("bad", "same", "other"),
    [
        # As Azure's Application Gateway and App Service write it ("comma-separated list of
        # IP:port", how-application-gateway-works on Learn).
        ("198.51.100.7:50111", "198.51.100.7:50112", "198.51.100.8:50111"),
        ("[2001:db8:1::7]:50111", "[2001:db8:1::8]:1", "[2001:db8:2::7]:50111"),
        ("[2001:db8:1::7]", "2001:db8:1::9", "[2001:db8:2::8]"),
        ('"[2001:db8:1::7]:50111"', "2001:db8:1::7", "2001:db8:2::8"),
        ("::ffff:192.0.2.1", "192.0.2.1:80", "192.0.2.2"),
        ("[::ffff:192.0.2.1]:99", "192.0.2.1", "[::ffff:192.0.2.2]:99"),
        ("fe80::1%eth0", "fe80::2", "192.0.2.1"),
        # A proxy that does not tell addresses: all of these count as one, and not as the proxy.
        ("unknown", "unknown", "127.0.0.1"),
        ("_hidden", "_hidden", "192.0.2.1"),
    ],
)
async def test_addresses_as_proxies_write_them(table, serving, bad, same, other):
    strict = changed(table, failures_per_minute=1, trusted_proxies=1)
    async with serving(strict) as server:
        assert (await server.bearer(key="wrong", X_Forwarded_For=bad)).status == 401
        assert (await server.bearer(X_Forwarded_For=bad)).status == 429
        assert (await server.bearer(X_Forwarded_For=f"{other}, {same}")).status == 429
        assert (await server.bearer(X_Forwarded_For=f"{bad}, {other}")).status == 200


async def test_a_key_in_the_wrong_place_is_not_logged(table, serving):
    async with serving(table) as server:
        for query in (f"id={KEY}", f"id=CP-7{KEY}", f"id=%0a{KEY}"):
            assert (await server.ask(query)).status == 401
        for header in (basic(KEY), basic(f"{KEY}:CP-7"), f"Bearer {KEY}\udcff"):
            assert (await server.ask(Authorization=header)).status == 401
        assert "refused an unknown id of" in server.lines[0]
        assert (await server.ask("id=CP-77")).status == 401
        assert server.lines[-1].startswith("refused CP-77 at")


def test_a_rate_limit():
    now = 1000.0
    limit = RateLimit(6, names=3, clock=lambda: now)
    for _ in range(6):
        assert limit.wait("a") == 0
        limit.take("a")
    assert limit.wait("a") == pytest.approx(10)
    assert limit.wait("b") == 0
    now += 10
    assert limit.wait("a") == 0
    limit.take("a")
    assert limit.wait("a") == pytest.approx(10)
    for name in ("b", "c", "d"):
        limit.take(name)
    assert limit.wait("a") == 0, "the name that was quiet for longest is forgotten"
    now += 1000
    for _ in range(6):
        limit.take("b")
    assert limit.wait("b") > 0, "a pause gives a full bucket, not more"


# -- where the tokens come from -------------------------------------------------------------


class Maker:
    """In place of a TokenMaker."""

    def __init__(self, failure: str | None = None, seconds: float = 0) -> None:
        self.failure, self.seconds = failure, seconds

    def make(self, *arguments: Any, **named: Any) -> Any:
        time.sleep(self.seconds)
        raise HubtoolError(self.failure or "")

    def close(self) -> None:
        pass


async def test_a_service_that_gives_no_token(table, serving):
    async with serving(table, Maker("the role is missing")) as server:
        answer = await server.bearer()
        assert (answer.status, answer.text) == (502, "the service gives no token\n")
        assert int(answer.headers["Retry-After"]) > 0
        assert server.lines == ["no URL for CP-7: the role is missing"]


async def test_a_service_that_takes_too_long(table, serving, monkeypatch):
    monkeypatch.setattr("hubtool.servers.negotiate.DEADLINE", 0.05)
    async with serving(table, Maker(seconds=0.5)) as server:
        answer = await server.bearer()
        assert (answer.status, answer.headers["Retry-After"]) == (504, "10")


ENTRA = {
    "service": {"tls": {}, "disable_local_auth": True},
    "entra": {
        "principals": [{"name": "server"}, {"name": "reader"}],
        "role_assignments": [
            {"assignee": "server", "role": "Web PubSub Service Owner"},
            {"assignee": "reader", "role": "Web PubSub Service Reader"},
        ],
    },
}


@pytest.mark.localhub(ENTRA)
@pytest.mark.parametrize("name", ["server", "reader"])
async def test_by_entra_id_when_keys_are_switched_off(
    localhub: LocalHub, table, serving, monkeypatch, name
):
    for variable, value in localhub.entra_environment(name).items():
        monkeypatch.setenv(variable, value)
    entra = changed(table, connection_string=None, endpoint=localhub.tls_endpoint)
    async with serving(entra) as server:
        answer = await server.bearer()
        if name == "server":
            assert answer.claims["sub"] == "CP-7"
            assert answer.claims["aud"] == f"{localhub.tls_endpoint}/client/hubs/chargers"
        else:
            assert answer.status == 502
            assert "give it the role 'Web PubSub Service Owner'" in server.lines[0]


# -- TLS, and the command line --------------------------------------------------------------


async def test_a_certificate_of_ones_own(table, folder, serving):
    ca = trustme.CA()
    certificate = ca.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    table = NegotiateTable.model_validate(
        {**table.model_dump(), "tls": {"certificate": "cert.pem", "key": "key.pem"}}
    )
    context = ssl.create_default_context()
    ca.configure_trust(context)
    async with serving(table) as server:
        assert server.url.startswith("https://127.0.0.1:")
        url = f"{server.url.replace('127.0.0.1', 'localhost')}?id=CP-7"
        headers = {"Authorization": f"Bearer {KEY}"}
        async with server.session.get(url, headers=headers, ssl=context) as answer:
            assert answer.status == 200


@contextlib.asynccontextmanager
async def command(folder: Path, *words: str, **extra: str) -> AsyncIterator[list[str]]:
    """Run `hubtool negotiate`; gives the lines that it prints before it waits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-m", "hubtool", "negotiate", *words],
        cwd=folder,
        env={**os.environ, **extra},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    lines = []
    try:
        while not lines or "Ctrl-C" not in lines[-1]:
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            assert line, lines
            lines.append(line.decode().rstrip())
        yield lines
        if os.name == "posix":
            process.send_signal(signal.SIGINT)
            rest = (await asyncio.wait_for(process.communicate(), 30))[0].decode()
            assert (process.returncode, "Traceback" in rest) == (0, False)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_command(folder: Path) -> None:
    async with command(folder, "--config", "hub.toml", "--port", "0", "--tls") as lines:
        assert lines[0].startswith("Listening on https://127.0.0.1:")
        assert lines[2] == "2 devices, tokens by the access key; Ctrl-C ends it"
        ca = folder / lines[1].removeprefix("CA certificate: ")
        context = ssl.create_default_context(cafile=str(ca))
        url = lines[0].partition(" on ")[2] + "?id=CP-7"
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, ssl=context) as answer,
        ):
            assert answer.status == 200
    # aiohttp closes TLS connections in the background.
    await asyncio.sleep(0.1)


async def test_keys_in_the_open_are_warned_of(folder: Path) -> None:
    async with command(folder, "--config", "hub.toml", "--host", "0.0.0.0") as lines:
        assert any("keys and tokens travel unencrypted: use --tls" in line for line in lines)


BAD = {
    "[handler]": "hub.toml: has no [negotiate] table: add one",
    CONFIG.replace("hub =", "hubb ="): "negotiate.hubb: unknown key: did you mean 'hub'?",
    CONFIG.replace('"chargers"', '"1"'): "negotiate.hub: '1' is no hub name",
    CONFIG.replace("TEST_CONNECTION_STRING", "TEST_ABSENT"): "TEST_ABSENT is not set",
    CONFIG.replace("TEST_CONNECTION_STRING", "TEST_KEY"): "a part without '='",
    CONFIG.replace("cp-8.key", "absent.key"): "key of device CP-8: cannot read",
    CONFIG.replace("TEST_KEY", "TEST_SHORT"): "shorter than 16 characters",
    CONFIG.replace('"CP-8"', '"CP-7"'): "device 'CP-7' is there twice",
    CONFIG.replace('"CP-8"', '"CP:8"'): "negotiate.devices.1.id",
    CONFIG.replace('"10m"', '"soon"'): "negotiate.lifetime: 'soon' is no lifetime",
    CONFIG.replace("webpubsub.send", "send"): "is no role",
    CONFIG.partition("\n\n")[0]: "negotiate.devices: this key is missing",
    CONFIG.replace("connection_string = {", "x = {"): "unknown key",
    CONFIG.replace("lifetime", 'endpoint = "https://h"\nlifetime'): "give one of connection_str",
    CONFIG.replace('connection_string = { env = "TEST_CONNECTION_STRING" }', ""): "give one of",
    CONFIG.replace(
        'connection_string = { env = "TEST_CONNECTION_STRING" }', 'endpoint = "http://h"'
    ): "go over TLS only",
    CONFIG.replace("port = 0", 'tls = { certificate = "a", key = "b" }'): "a or b cannot be read",
    CONFIG.replace(
        "port = 0", 'tls = { certificate = "hub.toml", key = "hub.toml" }'
    ): "are no certificate and its private key",
}


@pytest.mark.parametrize("text", list(BAD))
def test_mistakes_are_one_line_without_a_secret(folder, monkeypatch, capsys, text):
    monkeypatch.setenv("TEST_SHORT", "hunter2")
    path = folder / "hub.toml"
    path.write_text(text)
    monkeypatch.chdir(folder)
    assert main(["negotiate", "--config", "hub.toml"]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert BAD[text] in error
    assert error.count("\n") == 1
    for secret in (KEY, "hunter2", ACCESS_KEY):
        assert secret not in error


def test_a_taken_port(folder, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["negotiate", "--config", str(folder / "hub.toml"), "--port", port]) == 1
    assert "choose another port" in capsys.readouterr().err
