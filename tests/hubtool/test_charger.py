"""`hubtool charger`: a charging point on the desk, against a central system made of `ocpp`."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import pytest
import trustme
from hubtool.main import main

from tests.support.central_system import CentralSystem, Never, call
from tests.support.charger import Charger

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def url_of(central: CentralSystem, scheme: str = "ws") -> str:
    """Where it listens."""
    host = "127.0.0.1" if scheme == "ws" else "localhost"
    return f"{scheme}://{host}:{central.port}/ocpp"


async def test_a_session_is_typed_and_printed(tmp_path: Path) -> None:
    async with CentralSystem().running() as central:
        async with Charger(url_of(central), tmp_path / "cp7", "--connectors", "2") as charger:
            await central.heard("StatusNotification", 3)
            await charger.type("plug 1", "swipe 1 T1")
            await charger.until("status 1 Preparing")
            await charger.until("lock 1 locked")
            await charger.until("offer 1 32")
            closed = int((await charger.until(r"contactor 1 closed (\d+)"))[1])
            assert closed == 0
            await charger.until("status 1 Charging")
            printed = await charger.until(f"message StartTransaction ({TIME})")
            start = (await central.heard("StartTransaction")).payload
            assert (start["idTag"], start["meterStart"]) == ("T1", 0)
            assert printed[1] == start["timestamp"]
            # 7.36 kW are 2 Wh in a second.
            await asyncio.sleep(1.5)
            await charger.type("pause 1")
            opened = int((await charger.until(r"contactor 1 open (\d+)"))[1])
            assert 2 <= opened <= 12
            await charger.until("status 1 SuspendedEV")
            await charger.type("ready 1", "power 1 0")
            await charger.until(r"contactor 1 closed \d+", 2)
            await charger.type("swipe 1 T1")
            await charger.until(r"contactor 1 open \d+", 2)
            await charger.until("lock 1 unlocked")
            await charger.until(f"message StopTransaction {TIME}")
            stop = (await central.heard("StopTransaction")).payload
            assert stop["meterStop"] == opened
            await charger.type("unplug 1")
            await charger.until("status 1 Available", 2)
            await charger.type("fault 2 GroundFailure")
            await charger.until("status 2 Faulted")
            await charger.type(
                "clear 2", "dance 1", "plug", "plug 3", "fault 1 x", "swipe 1 " + "x" * 21
            )
            await charger.until("status 2 Available", 2)
            await charger.until(r"\? .*", 5)
            assert not any(line.startswith("Traceback") for line in charger.lines)
        assert central.faults == []


async def test_the_next_start_is_the_next_power_up(tmp_path: Path) -> None:
    directory = tmp_path / "cp7"
    async with CentralSystem().running() as central:
        url = url_of(central)
        async with Charger(url, directory) as charger:
            await central.heard("StatusNotification", 2)
            await charger.type("plug 1", "swipe 1 T1")
            await central.heard("StartTransaction")
            await charger.until("status 1 Charging")
            await asyncio.sleep(1.2)
        # Power is cut in the middle.
        async with Charger(url, directory) as charger:
            stop = (await central.heard("StopTransaction")).payload
            assert stop["reason"] == "PowerLoss"
            assert stop["transactionId"] == central.transaction
            first = stop["meterStop"]
            # It was made when the power came back, before anybody knew the time.
            await charger.until("message StopTransaction -")
            assert charger.lines.index("message StopTransaction -") < 3
            await charger.until("status 1 Available")
            # The cable is typed again, and the meter goes on where it was.
            await charger.type("plug 1", "swipe 1 T2")
            start = (await central.heard("StartTransaction", 2)).payload
            assert start["meterStart"] == first
        async with Charger(url, directory, "--resume") as charger:
            await charger.until("offer 1 32")
            await charger.until("status 1 SuspendedEV")
            await charger.type("plug 1")
            await charger.until("status 1 Charging")
            await charger.type("swipe 1 t2")
            await central.heard("StopTransaction", 2)
        # One whose answer was not stored when the power went is sent again, and is the same.
        starts = {entry.payload["timestamp"] for entry in central.calls("StartTransaction")}
        assert len(starts) == 2
        assert central.faults == []


async def test_what_is_sent_again_has_the_time_that_it_had(tmp_path: Path) -> None:
    directory = tmp_path / "cp7"
    async with CentralSystem().running() as central:
        url = url_of(central)
        async with Charger(url, directory) as charger:
            await central.heard("StatusNotification", 2)
            await charger.type("plug 1", "swipe 1 T1")
            await central.heard("StartTransaction")
            await charger.type("swipe 1 T1")
            await central.heard("StopTransaction")
        # It begins before anybody knows the time, and the power goes before it is answered.
        central.admit = lambda *_: (503, {})
        async with Charger(url, directory) as charger:
            await charger.type("plug 1", "swipe 1 T1")
            await charger.until("message StartTransaction -")
            await asyncio.sleep(2)
            central.admit = lambda *_: (101, {})
            central.will("StartTransaction", Never())
            first = (await central.heard("StartTransaction", 2)).payload
            await asyncio.sleep(1)
        async with Charger(url, directory):
            assert (await central.heard("StartTransaction", 3)).payload == first
            stop = await central.until(
                lambda: [
                    entry.payload
                    for entry in central.calls("StopTransaction")
                    if entry.payload.get("reason") == "PowerLoss"
                ]
            )
            assert stop[0]["timestamp"] > first["timestamp"]
        assert central.faults == []


async def test_a_reset_starts_anew_by_itself(tmp_path: Path) -> None:
    async with CentralSystem().running() as central:
        async with Charger(url_of(central), tmp_path / "cp7") as charger:
            await central.heard("StatusNotification", 2)
            await charger.type("plug 1", "swipe 1 T1")
            await central.heard("StartTransaction")
            answer = await central.ask(call.Reset(type="Soft"))
            assert answer.status == "Accepted"
            stop = (await central.heard("StopTransaction")).payload
            assert stop["reason"] == "SoftReset"
            await central.heard("BootNotification", 2)
            # The cable is where it was.
            await charger.until("status 1 Preparing", 2)
            await charger.type("swipe 1 T1")
            await central.heard("StartTransaction", 2)
        assert central.faults == []


async def test_key_and_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    words = ["--key-env", "TEST_KEY", "--ca", str(tmp_path / "ca.pem"), "--vendor", "Test"]
    async with CentralSystem().running(context) as central:
        central.admit = lambda _, key: (101 if key == b"0123456789abcdef" else 401, {})
        url = url_of(central, "wss")
        async with Charger(url, tmp_path / "a", *words, TEST_KEY="0123456789abcdef") as charger:
            boot = (await central.heard("BootNotification")).payload
            assert boot["chargePointVendor"] == "Test"
            assert "0123456789abcdef" not in "\n".join(charger.lines)
            command = Path(f"/proc/{charger.process.pid}/cmdline")  # type: ignore[union-attr]
            if command.exists():
                assert b"0123456789" not in command.read_bytes()


async def test_it_is_one_process_and_one_a_directory(tmp_path: Path) -> None:
    async with (
        CentralSystem().running() as central,
        Charger(url_of(central), tmp_path / "cp7") as charger,
    ):
        await central.heard("BootNotification")
        assert charger.process
        children = Path(f"/proc/{charger.process.pid}/task/{charger.process.pid}/children")
        if children.exists():
            assert children.read_text() == ""
        # The end of the input ends nothing.
        assert charger.process.stdin
        charger.process.stdin.close()
        async with Charger(url_of(central), tmp_path / "cp7") as second:
            assert second.process
            assert await asyncio.wait_for(second.process.wait(), 20) == 1
            assert "another charging point runs there" in "\n".join(second.lines)
        await central.ask(call.ClearCache())
        charger.process.send_signal(2)
        assert await asyncio.wait_for(charger.process.wait(), 20) == 130
        assert not any("Traceback" in line for line in charger.lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tcp://x"], "the URL begins with wss:// or ws://"),
        (["wss://"], "names a host"),
        (["wss://h:99999/"], "the URL makes no sense"),
        (["wss://me:secret7@h/"], "no user or password in the URL"),
        (["ws://h", "--connectors", "9"], "'9' is no number of connectors from 1 to 8"),
        (["ws://h", "--connectors", "two"], "no number of connectors"),
        (["ws://h", "--id", "x" * 49], "--id: 1 to 48 characters"),
        (["ws://h", "--hub", ""], "--hub is empty"),
        (["ws://h", "--key-env", "TEST_NOT_SET"], "TEST_NOT_SET"),
        (["ws://h", "--model", "x" * 21], "--model: 1 to 20 characters"),
        (["wss://h", "--ca", "nowhere.pem"], "nowhere.pem"),
        (["ws://h", "--directory", "/dev/null/x"], "cannot be used"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["charger", *words]
    for name, value in (("--id", "CP-7"), ("--directory", str(tmp_path / "d"))):
        if name not in words:
            given += [name, value]
    try:
        status = main(given)
    except SystemExit as error:
        status = int(error.code or 0)
    assert status in (1, 2)
    output = capsys.readouterr()
    assert said in output.err
    assert "secret7" not in output.err + output.out
    assert not re.search("Traceback", output.err)
