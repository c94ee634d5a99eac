"""The event handler over real HTTP: who is let in, what they get, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hubtool.errors import HubtoolError
from hubtool.servers.handler import running
from hubtool.servers.handler_table import (
    ConnectRequest,
    DeviceRules,
    HandlerTable,
    load_handler_table,
)

KEY = "primary-key-0123456789"
RULES = """\
[handler]
port = 0

[[handler.devices]]
match = { query.id = "CP-*", header.x-depot = "north" }
user_id = "{query.id}"
roles = ["webpubsub.sendToGroup.telemetry", "webpubsub.joinLeaveGroups.{query.id}.**"]
groups = ["commands", "only-{query.id}"]

[[handler.devices]]
match = { subprotocol = "ocpp*", query.id = "*" }
user_id = "{query.id}"
subprotocol = "ocpp1.6"

[[handler.devices]]
match = { query.key = { env = "TEST_DEVICE_KEY" } }
user_id = "keyed"

[[handler.devices]]
match = { claim.sub = "sensor-*" }
"""


@pytest.fixture
def table_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_DEVICE_KEY", "hunter2")
    path = tmp_path / "service.toml"
    path.write_text(RULES)
    return path


def connect_event(
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    claims: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The body of a `connect` event as the service sends it: every value is a list."""

    def lists(values: dict[str, Any] | None) -> dict[str, list[str]]:
        return {
            name: value if isinstance(value, list) else [value]
            for name, value in (values or {}).items()
        }

    return {
        "claims": lists(claims),
        "query": lists(query),
        "headers": lists(headers),
        "subprotocols": list(subprotocols),
        "clientCertificates": [],
    }


class Service:
    """What the service does to a handler."""

    def __init__(self, session: aiohttp.ClientSession, url: str, lines: list[str]) -> None:
        self.session, self.url, self.lines = session, url, lines

    async def post(
        self, kind: str, body: Any, key: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        ce = {
            "ce-type": f"azure.webpubsub.{kind}",
            "ce-connectionId": "c1",
            "ce-hub": "chargers",
            "ce-awpsversion": "1.0",
            "WebHook-Request-Origin": "demo.webpubsub.azure.com",
        }
        if key is not None:
            digest = hmac.new(key.encode(), b"c1", hashlib.sha256).hexdigest()
            ce["ce-signature"] = f"sha256=00,sha256={digest}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(
            f"{self.url}/eventhandler/x", data=data, headers={**ce, **headers}
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else text


@pytest.fixture
def serving() -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(table: HandlerTable) -> AsyncIterator[Service]:
        lines: list[str] = []
        async with (
            running(table, port=0, report=lines.append) as url,
            aiohttp.ClientSession() as session,
        ):
            yield Service(session, url, lines)

    return serve


async def test_a_device_gets_what_its_rule_grants(table_path: Path, serving: Any) -> None:
    async with serving(load_handler_table(table_path)) as service:
        status, answer = await service.post(
            "sys.connect", connect_event({"id": "CP-7"}, {"X-Depot": "north"})
        )
        assert status == 200
        assert answer == {
            "userId": "CP-7",
            "roles": [
                "webpubsub.sendToGroup.telemetry",
                "webpubsub.joinLeaveGroups.CP-7.**",
            ],
            "groups": ["commands", "only-CP-7"],
        }
        assert service.lines == ["let in CP-7 (rule 1)"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (connect_event(), "query.id is missing"),
        (connect_event({"id": "CP-7"}), "header.x-depot is missing"),
        (connect_event({"id": "XX"}, {"x-depot": "north"}), "'XX' is not like 'CP-*'"),
        (connect_event({"id": ["CP-7", "CP-8"]}, {"x-depot": "north"}), "given twice"),
        (connect_event({"key": "hunter3"}), "query.key is wrong"),
        # A device that sends its key in the wrong place.
        (connect_event({"id": "hunter2"}, {"x-depot": "north"}), "query.id holds a secret"),
        (connect_event(claims={"sub": "eve"}), "claim.sub 'eve' is not like"),
        (connect_event({"id": "A\x1b[31m\nB"}), "not like 'CP-*'"),
    ],
)
async def test_nobody_else_comes_in(
    table_path: Path, serving: Any, event: dict[str, Any], reason: str
) -> None:
    async with serving(load_handler_table(table_path)) as service:
        status, _ = await service.post("sys.connect", event)
        assert status == 401
        (line,) = service.lines
        assert reason in line
        assert "hunter" not in line, "neither the key nor a near miss is logged"
        assert line.isprintable()


async def test_a_subprotocol_is_granted_only_when_offered(table_path: Path, serving: Any) -> None:
    async with serving(load_handler_table(table_path)) as service:
        status, answer = await service.post(
            "sys.connect", connect_event({"id": "X1"}, subprotocols=("ocpp2.0.1", "ocpp1.6"))
        )
        assert (status, answer) == (200, {"userId": "X1", "subprotocol": "ocpp1.6"})
        status, _ = await service.post(
            "sys.connect", connect_event({"id": "X1"}, subprotocols=("ocpp2.0.1",))
        )
        assert status == 401


async def test_a_rule_without_grants_keeps_the_tokens(table_path: Path, serving: Any) -> None:
    async with serving(load_handler_table(table_path)) as service:
        event = connect_event(claims={"sub": "sensor-1"})
        assert await service.post("sys.connect", event) == (204, "")
        assert await service.post("sys.connect", connect_event({"key": "hunter2"})) == (
            200,
            {"userId": "keyed"},
        )


def test_an_id_cannot_smuggle_a_pattern_into_a_role(table_path: Path) -> None:
    table = load_handler_table(table_path)
    assert table is not None
    request = ConnectRequest({"id": ["CP-**"]}, {"x-depot": ["north"]})
    answer, _ = DeviceRules(table, table_path.parent).decide(request)
    assert answer is not None
    assert answer["roles"][1] == r"webpubsub.joinLeaveGroups.CP-\*\*.**"


async def test_abuse_protection(table_path: Path, serving: Any) -> None:
    table = HandlerTable.model_validate(
        {"allowed_origins": ["*.webpubsub.azure.com"], "devices": [{"match": {"query.id": "*"}}]}
    )
    async with serving(table) as service:
        for origin, status, allowed in [
            ("demo.webpubsub.azure.com", 200, "demo.webpubsub.azure.com"),
            ("evil.example", 403, None),
            ("", 400, None),
        ]:
            headers = {"WebHook-Request-Origin": origin} if origin else {}
            async with service.session.options(
                f"{service.url}/eventhandler/validate", headers=headers
            ) as answer:
                assert answer.status == status
                assert answer.headers.get("WebHook-Allowed-Origin") == allowed
        status, _ = await service.post(
            "sys.connect", connect_event({"id": "1"}), **{"WebHook-Request-Origin": "evil.example"}
        )
        assert status == 403


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        # Services that are run locally, of earlier versions, added their port.
        ("127.0.0.1:7080", ["127.0.0.1:7080"]),
        ("evil.example, a.webpubsub.azure.com", ["a.webpubsub.azure.com"]),
        (
            "a.webpubsub.azure.com,b.webpubsub.azure.com, evil.example",
            ["a.webpubsub.azure.com", "b.webpubsub.azure.com"],
        ),
        ("A.WebPubSub.Azure.Com", ["A.WebPubSub.Azure.Com"]),
        ("evil.example#.webpubsub.azure.com", None),
        ("evil.example/.webpubsub.azure.com", None),
        ("evil@a.webpubsub.azure.com", None),
        ("a.webpubsub.azure.com.evil.example", None),
        ("*", None),
        ("\xe9.webpubsub.azure.com", None),
        (",", None),
    ],
)
async def test_only_allowed_origins_are_told_back(
    serving: Any, offered: str, answered: list[str] | None
) -> None:
    """Microsoft's emulator, README.md: "Return * or the matching origin as a header value rather
    than a comma-separated string". A list in one line would allow the foreign ones, too."""
    table = HandlerTable.model_validate(
        {
            "allowed_origins": ["*.webpubsub.azure.com", "127.0.0.1"],
            "devices": [{"match": {"query.id": "*"}}],
        }
    )
    async with (
        serving(table) as service,
        service.session.options(
            service.url, headers={"WebHook-Request-Origin": offered}
        ) as answer,
    ):
        named = answer.headers.getall("WebHook-Allowed-Origin", None)
        assert (answer.status, named) == (403 if answered is None else 200, answered)


@pytest.mark.parametrize(
    "signature", ["\xe9", "sha256=\xe9", "sha256=" + "é" * 64, ",,,", "=" * 99]
)
async def test_signatures_that_are_none(serving: Any, monkeypatch: Any, signature: str) -> None:
    monkeypatch.setenv("TEST_KEY_1", KEY)
    table = HandlerTable.model_validate(
        {"access_keys": [{"env": "TEST_KEY_1"}], "devices": [{"match": {"query.id": "*"}}]}
    )
    async with serving(table) as service:
        event = connect_event({"id": "1"})
        status, _ = await service.post("sys.connect", event, **{"ce-signature": signature})
        assert status == 401


async def test_signatures_are_checked_with_the_keys(
    monkeypatch: pytest.MonkeyPatch, serving: Any
) -> None:
    monkeypatch.setenv("TEST_KEY_1", "other-key")
    monkeypatch.setenv("TEST_KEY_2", KEY)
    table = HandlerTable.model_validate(
        {
            "access_keys": [{"env": "TEST_KEY_1"}, {"env": "TEST_KEY_2"}],
            "devices": [{"match": {"query.id": "*"}}],
        }
    )
    async with serving(table) as service:
        event = connect_event({"id": "1"})
        assert (await service.post("sys.connect", event, key=KEY))[0] == 204
        assert (await service.post("sys.connect", event, key="wrong"))[0] == 401
        assert (await service.post("sys.connect", event))[0] == 401
        assert (await service.post("user.status", b"x"))[0] == 401
        assert KEY not in "".join(service.lines)


async def test_other_events_are_told_and_accepted(table_path: Path, serving: Any) -> None:
    async with serving(load_handler_table(table_path)) as service:
        user = {"ce-userId": "CP-7"}
        assert (await service.post("sys.connected", {}, **user))[0] == 204
        assert (await service.post("user.status", b"Available", **user))[0] == 204
        assert (await service.post("sys.disconnected", {"reason": "gone"}, **user))[0] == 204
        assert (await service.post("sys.disconnected", b"", **user))[0] == 204
        assert (await service.post("sys.disconnected", b"[" * 100_000, **user))[0] == 204
        half = connect_event({"key": "\ud800"})
        assert (await service.post("sys.connect", half))[0] == 401
        assert service.lines == [
            "connected CP-7",
            "event 'status' from CP-7: 9 bytes",
            "disconnected CP-7: gone",
            "disconnected CP-7",
            "disconnected CP-7",
            "refused c1: rule 1: query.id is missing or given twice; rule 2: no subprotocol like "
            "'ocpp*' is offered; rule 3: query.key is wrong; rule 4: claim.sub is missing or "
            "given twice",
        ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"query": 1}',
        b'{"subprotocols": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"query": {"id": ' + b"[" * 100_000,
        b'{"query": {"id": ' + b"1" * 5000 + b"}}",
    ],
)
async def test_garbage_is_refused(table_path: Path, serving: Any, body: bytes) -> None:
    async with serving(load_handler_table(table_path)) as service:
        assert (await service.post("sys.connect", body))[0] == 400
        async with service.session.post(service.url, data=body) as answer:
            assert answer.status == 400


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("port = 0", "prot = 0", 2, "did you mean 'port'"),
        ('query.id = "CP-*"', 'quary.id = "CP-*"', 5, "cannot be matched: use query.NAME"),
        ('"{query.id}"\nroles', '"{query.name}"\nroles', 4, "not among the matched names"),
        ("sendToGroup.telemetry", "sendToGroop.telemetry", 7, "is no role"),
        ('subprotocol = "ocpp1.6"', "subprotocoll = 1", 13, "did you mean 'subprotocol'"),
    ],
)
def test_a_wrong_table_names_line_and_remedy(
    table_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = table_path.read_text()
    assert old in text
    table_path.write_text(text.replace(old, new, 1))
    with pytest.raises(HubtoolError, match=said) as caught:
        load_handler_table(table_path)
    assert str(caught.value).startswith(f"{table_path}:{line}: handler.")


def test_a_file_without_a_table(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text("[service]\nport = 1\n")
    assert load_handler_table(path) is None


async def test_a_taken_port_is_told(table_path: Path) -> None:
    table = load_handler_table(table_path)
    assert table is not None
    async with running(table, port=0) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(HubtoolError, match=r"cannot listen on .*choose another port"):
            async with running(table, port=port):
                pass
