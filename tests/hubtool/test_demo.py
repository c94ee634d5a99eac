"""The demo, and its parts."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
from typing import Any

import pytest
from hubtool.demo import run as demo
from hubtool.demo.boards import settings_text
from hubtool.demo.screen import in_words
from hubtool.demo.time_server import answer, time_server


def test_the_demo_shows_messages_both_ways_on_both_boards() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hubtool", "demo", "--seconds", "3"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.endswith("  yes")}
    assert set(rows) == {"CP-7", "sensor-1"}
    assert "anonymous, ws " in rows["CP-7"]
    assert "token, wss" in rows["sensor-1"]
    assert "<- report" in done.stdout
    assert "eyJ" not in done.stdout, "no token"
    assert "AccessKey" not in done.stdout


async def test_a_board_that_stays_away_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_wrong_wifi(**values: Any) -> str:
        text = settings_text(**values)
        return text.replace('"depot"', '"elsewhere"') if values["device"] == "CP-7" else text

    monkeypatch.setattr(demo, "settings_text", with_wrong_wifi)
    monkeypatch.setattr(demo, "_GRACE", 3.0)
    assert await demo.run_demo(2) is False
    output = capsys.readouterr().out
    assert "CP-7: no telemetry. The end of its console:" in output
    assert '| [wifi] "elsewhere"' in output


async def test_the_time_server_answers() -> None:
    async with time_server() as address:
        host, port = address.split(":")
        loop = asyncio.get_running_loop()
        received: asyncio.Future[bytes] = loop.create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                received.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=(host, int(port)))
        transport.sendto(b"\x23" + bytes(39) + b"cookie!!")
        reply = await asyncio.wait_for(received, 10)
        transport.close()
    assert reply[0] == 0x24
    assert reply[24:32] == b"cookie!!"


def test_time_stamps_count_from_1900() -> None:
    reply = answer(b"\x1b" + bytes(47), 0.5)
    assert reply is not None
    assert struct.unpack("!II", reply[40:48]) == (2208988800, 2**31)
    assert answer(b"\x1b", 0) is None
    assert answer(b"\x1c" + bytes(47), 0) is None, "a server's packet is no request"
    after_2036 = answer(b"\x1b" + bytes(47), 2085978496 + 7)
    assert after_2036 is not None
    assert struct.unpack("!I", after_2036[40:44]) == (7,)


def test_what_boards_send_does_not_disturb_the_terminal() -> None:
    assert in_words({"device": "x", "b": 1, "state": "on"}) == "state on, b 1"
    assert in_words("\x1b[2J" + "y" * 200) == "?[2J" + "y" * 96
