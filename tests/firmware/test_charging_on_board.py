"""A charging point on a board: settings by hubtool, hardware by app.py, a central system."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hubtool.settings.configuration import load_configuration
from hubtool.settings.record import slot_files as hubtool_files
from localhub import LocalHub
from ocpp.v16 import call
from simboard import SimulatedBoard
from simboard.timeserver import TimeServer

from tests.support.boards import PASSWORD, SSID, write_files, write_radio
from tests.support.central_system import CentralSystem, identity_of

PATIENCE = 60
KEY = "a secret of 20 bytes"
NEW_KEY = bytes(range(20, 40))

APP = b"""
import asyncio

import machine
from chargepoint import Hardware


class Box(Hardware):
    measurands = ("Power.Active.Import",)

    def __init__(self):
        self.closed = False
        self.wh = 1000

    def contactor(self, connector, closed):
        self.wh += 7 if self.closed else 0
        self.closed = closed
        print("contactor", connector, closed)

    def energy(self, connector):
        return self.wh

    def measure(self, connector, measurand):
        return 7400 if self.closed else 0

    def reset(self, hard):
        machine.reset()


box = Box()


def hardware():
    return box


async def charge(point, settings):
    point.plugged(1)
    point.ready(1)
    # Until the central system is there nobody knows the card.
    while not box.closed:
        point.tag(1, "04A2B3C4")
        print("swiped for", settings.device_id)
        await asyncio.sleep(3)
"""


@pytest.fixture
async def central() -> AsyncIterator[CentralSystem]:
    async with CentralSystem().running() as found:
        yield found
        assert found.faults == []


def configured(folder: Path, table: str, generation: int = 1, more: str = "") -> dict[str, bytes]:
    """The files of a slot, as `hubtool configure` writes them."""
    (folder / "wifi.txt").write_text(PASSWORD)
    (folder / "key.txt").write_text(KEY)
    path = folder / "board.toml"
    path.write_text(
        f'[device]\nid = "CP-7"\n[ocpp]\n{table}\nvendor = "Ours"\nmodel = "Box"\n'
        f'connectors = 2\n[wifi]\nssid = "{SSID}"\npassword = {{ file = "wifi.txt" }}\n{more}'
    )
    files = hubtool_files(load_configuration(path), generation)
    return {f"/hub/{name}.a": getattr(files, name) for name in ("settings", "secrets", "ca")}


def over_ws(central: CentralSystem) -> str:
    return f'url = "ws://127.0.0.1:{central.port}/ocpp"\nkey = {{ file = "key.txt" }}'


NO_NTP = "[clock]\nntp = []\n"
APP_FILE = {"/app.py": APP}
Make = Callable[..., SimulatedBoard]


async def wait_for(board: SimulatedBoard, wanted: str | re.Pattern[str]) -> str:
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


async def test_a_board_with_ocpp_alone_charges_and_bills(
    central: CentralSystem, make_board: Make, tmp_path: Path
) -> None:
    files = configured(tmp_path, over_ws(central), more=NO_NTP)
    board = await asyncio.to_thread(make_board, files, APP_FILE)
    boot = await central.heard("BootNotification", seconds=PATIENCE)
    assert boot.payload["chargePointVendor"] == "Ours"
    assert boot.payload["chargePointModel"] == "Box"
    await wait_for(board, "[ocpp] connected as CP-7")
    await wait_for(board, "swiped for CP-7")
    start = await central.heard("StartTransaction", seconds=PATIENCE)
    assert start.payload["idTag"] == "04A2B3C4"
    await wait_for(board, "contactor 1 True")
    await central.until(
        lambda: [one for one in central.log if one.kind == 3 and one.action == "StartTransaction"]
    )
    states = {entry.payload["connectorId"] for entry in central.calls("StatusNotification")}
    assert states == {0, 1, 2}
    request = call.RemoteStopTransaction(transaction_id=central.transaction)
    assert (await central.ask(request)).status == "Accepted"
    stop = await central.heard("StopTransaction", seconds=PATIENCE)
    assert (start.payload["meterStart"], stop.payload["meterStop"]) == (1000, 1007)
    await wait_for(board, "contactor 1 False")
    assert central.handshakes[0].key == KEY.encode()
    assert KEY not in board.console
    assert "Traceback" not in board.console


async def test_a_key_that_came_over_ocpp_holds_until_a_newer_generation(
    central: CentralSystem, make_board: Make, tmp_path: Path
) -> None:
    files = configured(tmp_path, over_ws(central), more=NO_NTP)
    board = await asyncio.to_thread(make_board, files, APP_FILE)
    await central.heard("BootNotification", seconds=PATIENCE)
    await wait_for(board, "swiped for CP-7")
    request = call.ChangeConfiguration(key="AuthorizationKey", value=NEW_KEY.hex())
    assert (await central.ask(request)).status == "Accepted"
    await central.until(lambda: central.handshakes[-1].key == NEW_KEY, PATIENCE)
    await central.until(lambda: central.stations, PATIENCE)
    count = len(central.handshakes)
    await asyncio.to_thread(board.power_cut)
    await central.until(lambda: len(central.handshakes) > count, PATIENCE)
    assert central.handshakes[-1].key == NEW_KEY
    # The settings were written anew, maybe with the same key: that is what somebody wants now.
    await asyncio.to_thread(board.close)
    newer = configured(tmp_path, over_ws(central), generation=2, more=NO_NTP)
    await asyncio.to_thread(write_files, board.flash, newer)
    count = len(central.handshakes)
    radio = write_radio(tmp_path / "radio.json")
    again = await asyncio.to_thread(
        SimulatedBoard, "simulated", flash=board.flash, name="again", radio=radio
    )
    try:
        await central.until(lambda: len(central.handshakes) > count, PATIENCE)
    finally:
        await asyncio.to_thread(again.close)
    assert central.handshakes[-1].key == KEY.encode()


async def test_through_a_hub_that_passes_everything_on(
    central: CentralSystem, make_board: Make, tmp_path: Path
) -> None:
    table = f'endpoint = "ws://127.0.0.1:{central.port}"\nhub = "ocpp"\nidentity = "box 7"'
    files = configured(tmp_path, table, more=NO_NTP)
    board = await asyncio.to_thread(make_board, files, APP_FILE)
    await wait_for(board, "[ocpp] connected as box 7")
    assert central.handshakes[0].path == "/client/hubs/ocpp?id=box%207"
    assert identity_of(central.handshakes[0].path) == "box 7"


async def test_both_run_on_a_board_with_both(
    central: CentralSystem, make_board: Make, tmp_path: Path
) -> None:
    config = {"hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}]}
    async with LocalHub(config) as hub:
        more = f'[hub]\nendpoint = "{hub.endpoint}"\nname = "chargers"\n{NO_NTP}'
        files = configured(tmp_path, over_ws(central), more=more)
        board = await asyncio.to_thread(make_board, files, APP_FILE)
        await wait_for(board, "[ocpp] connected as CP-7")
        await central.heard("StartTransaction", seconds=PATIENCE)
        assert "[hub] connected as" in board.console
        assert "Traceback" not in board.console


async def test_over_tls_the_clock_comes_first(
    make_board: Make, tmp_path: Path, time_server: TimeServer
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    der = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).public_bytes(Encoding.DER)
    (tmp_path / "ca.der").write_bytes(der)
    central = CentralSystem()
    async with central.running(context):
        table = (
            f'url = "wss://localhost:{central.port}/ocpp"\nkey = {{ file = "key.txt" }}\n'
            'ca = "ca.der"'
        )
        ntp = f'[clock]\nntp = ["{time_server.address}"]\n'
        files = configured(tmp_path, table, more=ntp)
        board = await asyncio.to_thread(make_board, files, APP_FILE)
        await wait_for(board, "[clock] not set: TLS waits for it")
        await wait_for(board, "[ocpp] connected as CP-7")
        await central.heard("StartTransaction", seconds=PATIENCE)
    assert central.faults == []


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ({}, "[settings] a charging point needs the program of its hardware: run hubtool deploy"),
        (
            {"/app.py": b"async def main(client, settings):\n    pass\n"},
            "[settings] app.py has no hardware: add 'def hardware()' that gives",
        ),
        ({"/app.py": b"def hardware(:\n"}, "SyntaxError"),
    ],
)
async def test_a_board_without_hardware_ends_at_the_prompt(
    central: CentralSystem, make_board: Make, tmp_path: Path, app: dict[str, bytes], said: str
) -> None:
    files = configured(tmp_path, over_ws(central), more=NO_NTP)
    board = await asyncio.to_thread(make_board, files, app)
    await wait_for(board, said)
    await wait_for(board, ">>> ")
    assert central.handshakes == []


async def test_who_is_turned_away_says_which_side_to_fix(
    central: CentralSystem, make_board: Make, tmp_path: Path
) -> None:
    central.admit = lambda *_: (401, {})
    files = configured(tmp_path, over_ws(central), more=NO_NTP)
    board = await asyncio.to_thread(make_board, files, APP_FILE)
    await wait_for(board, "[ocpp] HTTP 401: the central system does not accept this identity")
    # Nobody needs a network to charge.
    await wait_for(board, "swiped for CP-7")
    assert KEY not in board.console
