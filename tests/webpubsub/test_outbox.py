"""Durable messages from real MicroPython to a local service: sleep, resets, cuts, the cost."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from localhub import LocalHub
from micropython_webpubsub.assets import examples_folder, firmware_folder
from simboard import SimulatedBoard
from simboard.timeserver import TimeServer

from tests.support.boards import slot_files, write_files, write_radio
from tests.support.protocol import JSON, RELIABLE_JSON, RELIABLE_PROTOBUF, ROLES
from tests.support.tcp_proxy import CountingProxy

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "outbox.md"
PATIENCE = 60


def receiver() -> Any:
    """The receiver's side as the documentation shows it: a namespace with `is_new`."""
    code = re.search(r"```python\n(last = .*?)```", PAGE.read_text(), re.DOTALL)
    assert code, "docs/outbox.md has no receiver"
    names: dict[str, Any] = {}
    exec(code.group(1), names)
    return names


class Site:
    """Everything that arrived in the groups, as it came and without what came twice."""

    def __init__(self) -> None:
        self.came: list[Any] = []
        self.accepted: list[Any] = []
        self._is_new = receiver()["is_new"]

    def take(self, data: Any) -> None:
        """One message, whatever its kind."""
        self.came.append(data)
        identity = data["_id"] if isinstance(data, dict) else data.partition("\n")[0]
        if self._is_new(identity):
            self.accepted.append(data)

    async def listen(self, url: str, ready: asyncio.Event) -> None:
        """Take messages until it is cancelled."""
        protocols = (JSON,)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=protocols) as socket,
        ):
            async for message in socket:
                frame = message.json()
                if frame["type"] == "system":
                    ready.set()
                elif frame["type"] == "message":
                    data = frame["data"]
                    if frame["dataType"] == "binary":
                        data = base64.b64decode(data).decode("latin-1")
                    self.take(data)


@asynccontextmanager
async def service(proxy: CountingProxy, **options: Any) -> AsyncIterator[tuple[LocalHub, Site]]:
    """A local service behind the proxy, and what arrives there."""
    public = f"http://127.0.0.1:{proxy.port}"
    config = {
        "hubs": [{"name": "chargers"}],
        "service": {"public_endpoints": [public], **options},
    }
    async with LocalHub(config) as hub:
        proxy.target = int(hub.endpoint.rpartition(":")[2])
        site, ready = Site(), asyncio.Event()
        url = hub.client_url("chargers", roles=ROLES, groups=["site", "reports"])
        listening = asyncio.create_task(site.listen(url, ready))
        try:
            await asyncio.wait_for(ready.wait(), PATIENCE)
            yield hub, site
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def device_url(hub: LocalHub, proxy: CountingProxy) -> str:
    """A client access URL that leads through the proxy."""
    url = hub.client_url("chargers", user_id="CP-7", roles=ROLES)
    port = hub.endpoint.rpartition(":")[2]
    return url.replace(f":{port}/", f":{proxy.port}/", 1)


def library(built_library: Path) -> dict[str, bytes]:
    """The client as it lies on a board."""
    folder = built_library / "webpubsub"
    return {f"/lib/webpubsub/{file.name}": file.read_bytes() for file in folder.glob("*.mpy")}


@asynccontextmanager
async def powered(flash: Path) -> AsyncIterator[SimulatedBoard]:
    """A board with power, beside this event loop."""
    radio = write_radio(flash.with_suffix(".json"))
    board = await asyncio.to_thread(SimulatedBoard, flash=flash, radio=radio)
    try:
        yield board
    finally:
        await asyncio.to_thread(board.close)


def firmware(
    built_library: Path, endpoint: str, token: str, ca: bytes, ntp: list[str]
) -> dict[str, bytes]:
    """The firmware on a board, and settings for it that send no telemetry."""
    files = library(built_library)
    for file in (built_library / "firmware").glob("*.mpy"):
        files[f"/lib/firmware/{file.name}"] = file.read_bytes()
    files["/main.py"] = (firmware_folder() / "main.py").read_bytes()
    tables = {
        "hub": {"endpoint": endpoint},
        "telemetry": {"group": "", "interval": 60},
        "commands": {"users": []},
        "clock": {"ntp": ntp},
    }
    return {**files, **slot_files(ca=ca, token=token, **tables)}


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_the_cost_of_a_wake(scheme, built_library, tmp_path, capsys):
    """Runs examples/connect_send_sleep.py for two wakes, and measures them on the line."""
    secure = scheme == "wss"
    options = {"tls": {"port": 0}} if secure else {}
    async with CountingProxy() as proxy, service(proxy, **options) as (hub, site):
        endpoint = f"ws://127.0.0.1:{proxy.port}"
        if secure:
            endpoint = f"wss://localhost:{proxy.port}"
            proxy.target = int(str(hub.tls_endpoint).rpartition(":")[2])
        token = hub.client_url("chargers", user_id="CP-7", roles=ROLES).partition("token=")[2]
        with TimeServer() as clock:
            ca = hub.ca_der if secure else b""
            files = firmware(built_library, endpoint, token, ca, [clock.address] if secure else [])
            example = (examples_folder() / "connect_send_sleep.py").read_bytes()
            files["/app.py"] = example.replace(b"SLEEP * 1000", b"50")
            write_files(tmp_path / "flash.bin", files)
            async with powered(tmp_path / "flash.bin") as board:
                for _ in range(2):
                    await asyncio.to_thread(board.wait_for, "DEEPSLEEP_RESET", PATIENCE)
                console = board.console
    assert "Traceback" not in console, console
    assert [data["wakes"] for data in site.accepted[:2]] == [1, 2]
    assert len(site.came) == len(site.accepted)
    wakes = proxy.connections[:2]
    with capsys.disabled():
        for traffic in wakes:
            print(
                f"\n{scheme}: {traffic.up} bytes up, {traffic.down} down, "
                f"{1 + traffic.turns} round trips",
                end="",
            )
    # TCP, upgrade, message; TLS costs up to three more.
    for traffic in wakes:
        assert 1 + traffic.turns <= (8 if secure else 5)
        assert traffic.up + traffic.down < (8000 if secure else 3000)


@pytest.mark.parametrize("protocol", [RELIABLE_JSON, RELIABLE_PROTOBUF])
async def test_every_kind_of_content(protocol, interpreter):
    async with CountingProxy() as proxy, service(proxy) as (hub, site):
        roles = ["webpubsub.sendToGroup.site"]
        output = await interpreter.run_beside(
            HERE / "device_outbox_client.py",
            URL=hub.client_url("chargers", roles=roles),
            PROTOCOL=protocol,
        )
        for _ in range(200):
            if len(site.came) >= 5:
                break
            await asyncio.sleep(0.02)
    assert output == "refused Forbidden\ndelivered 5 waiting 0\n"
    ids = [data.pop("_id") for data in site.accepted[:2]]
    assert site.accepted[:2] == [{"boot": 0, "number": 1.5}, {"data": [1, None, "€"]}]
    texts = [data.partition("\n")[::2] for data in site.accepted[2:]]
    assert [text for _, text in texts] == ["text €", bytes(range(256)).decode("latin-1"), "last"]
    numbers = [int(identity.partition("-")[2]) for identity in ids + [head for head, _ in texts]]
    assert numbers == [1, 3, 4, 5, 6]


async def test_over_deep_sleep_power_cuts_and_a_bad_network(built_library, tmp_path, capsys):
    each, wakes = 18, 16
    dice = random.Random(8)

    def cut() -> tuple[int, bool] | None:
        # The service, the handshake, or some messages: whatever the bytes reach.
        return (dice.randrange(200, 6000), dice.random() < 0.5) if dice.random() < 0.7 else None

    async with CountingProxy(cut) as proxy, service(proxy) as (hub, site):
        files = library(built_library)
        files["/main.py"] = (HERE / "device_outbox.py").read_bytes()
        files["/target"] = json.dumps([device_url(hub, proxy), each, wakes]).encode()
        write_files(tmp_path / "flash.bin", files)
        async with powered(tmp_path / "flash.bin") as board:
            target = proxy.target
            for wake in range(200):
                # Every fourth wake finds nobody.
                proxy.target = None if wake % 4 == 1 else target
                woke = await asyncio.to_thread(
                    board.wait_for, re.compile(r"woke (\d)|done"), PATIENCE
                )
                if woke == "done":
                    break
                if wake % 5 == 3:
                    # In mid-write, some time within this wake.
                    board.cut_power_at_write(dice.randrange(1, 25), torn=dice.random() < 0.5)
                elif wake % 5 == 4:
                    await asyncio.sleep(dice.random() / 2)
                    await asyncio.to_thread(board.reset)
            console, restarts = board.console, board.restarts
    stored = [(int(a), int(b)) for a, b in re.findall(r"stored (\d+) (\d+)", console)]
    accepted = [(data["boot"], data["number"]) for data in site.accepted]
    missing = [pair for pair in stored if pair not in accepted]
    with capsys.disabled():
        print(
            f"\n{len(stored)} durable messages, {proxy.cuts} cut connections, restarts: "
            + ", ".join(f"{restarts.count(name)} {name}" for name in sorted(set(restarts)))
            + f"; {len(site.came) - len(accepted)} came twice and were dropped, "
            f"{len(missing)} lost"
        )
    assert "Traceback" not in console, console
    assert not missing
    assert accepted == sorted(set(accepted)), "order, and nothing twice"
    # Only what a reset interrupted may be there without having been promised.
    assert len(accepted) - len(stored) <= len(restarts) - restarts.count("deepsleep")
    assert set(re.findall(r"dropped (.*)", console)) == {"{}"}
    assert len(stored) >= 200
    assert proxy.cuts >= 3
    assert {"deepsleep", "power_cut", "reset_button"} <= set(restarts)
