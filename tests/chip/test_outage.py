"""A replay over TLS with the memory that is left: on the model of the chip, newest version."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from localhub import LocalHub
from simboard.chip import places
from simboard.chip.link import RadioLink

HERE = Path(__file__).parent
HUB = "chargers"

pytestmark = pytest.mark.skipif(
    not places.versions(), reason="the model of the chip is not built: run `make chip`"
)


class Chip:
    """A client on the model, what it said so far, and its link."""

    def __init__(self, hub: LocalHub, folder: Path, left: int, library: Path) -> None:
        self._hub, self._folder, self._left, self._library = hub, folder, left, library
        self.link = RadioLink(folder / "link")
        self.lines: list[str] = []
        self.sent = 0  # messages, from number 0 on
        self._more = asyncio.Event()

    async def __aenter__(self) -> Chip:
        hub = self._hub
        ca = self._folder / "ca.der"
        assert hub.ca_der is not None
        ca.write_bytes(hub.ca_der)
        url = hub.client_url(HUB, user_id="CP-7", groups=["g"], tls=True)
        self._process = await asyncio.create_subprocess_exec(
            str(places.find("newest")),
            str(HERE / "outage.py"),
            env={
                **os.environ,
                "MICROPYPATH": f"{self._library}:.frozen",
                "CHIP_WIFI": "1",
                "CHIP_LINK": str(self.link.path),
                "ENDPOINT": hub.tls_endpoint or "",
                "TOKEN": url.partition("access_token=")[2],
                "CA": str(ca),
                "LEFT": str(self._left),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._reader
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.lines.append(line.decode().rstrip())
            self._more.set()

    async def until(self, start: str, seconds: float) -> None:
        """Wait for a line that begins so."""
        try:
            async with asyncio.timeout(seconds):
                while not any(line.startswith(start) for line in self.lines):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError("\n".join([f"no '{start}':", *self.lines[-40:]])) from None

    def said(self, what: str) -> list[str]:
        """The rest of each line that begins with a word."""
        return [line.partition(" ")[2] for line in self.lines if line.split(" ")[0] == what]


async def outage(folder: Path, library: Path, left: int, seconds: float) -> Chip:
    """Two messages a second before, during and after an outage of so many seconds."""
    async with (
        LocalHub({"hubs": [{"name": HUB}], "service": {"tls": {}}}) as hub,
        Chip(hub, folder, left, library) as chip,
    ):
        await chip.until("ready", 30)
        sent = 0

        async def send(span: float) -> None:
            nonlocal sent
            for _ in range(int(span * 2)):
                hub.control.send(HUB, sent, group="g")
                sent += 1
                await asyncio.sleep(0.5)

        await send(3)
        chip.link.cut = True
        await send(seconds)
        chip.link.cut = False
        await send(5)
        # Whatever it has come to, it comes back.
        for _ in range(60):
            hub.control.send(HUB, "end", group="g")
            await asyncio.sleep(1)
            if chip.said("end"):
                break
        await chip.until("end", 1)
        chip.sent = sent
        return chip


# Bytes of the IDF heap left when connected, and seconds of the outage.
ENOUGH = [(20_000, 20), (18_000, 20), (20_000, 50), (18_000, 50)]
TOO_LITTLE = [(16_000, 50), (12_000, 50), (12_000, 20)]


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_outages(tmp_path: Path, built_library: Path) -> None:
    """With the reserve nothing is lost; with less, nothing is stuck in silence."""
    # All at once: they wait for most of their time.
    runs = []
    for number, (left, seconds) in enumerate([*ENOUGH, *TOO_LITTLE]):
        folder = tmp_path / str(number)
        folder.mkdir()
        runs.append(outage(folder, built_library, left, seconds))
    chips = dict(zip([*ENOUGH, *TOO_LITTLE], await asyncio.gather(*runs), strict=True))
    for case, chip in chips.items():
        text = f"{case}:\n" + "\n".join(chip.lines)
        numbers = [int(word) for word in chip.said("message") if word != "end"]
        if case in ENOUGH:
            assert numbers == list(range(chip.sent)), text
            assert "reconnected" not in "".join(chip.said("event")), text
        # Otherwise it came back by itself (or `outage` had failed), and nothing came twice.
        assert numbers == sorted(set(numbers)), text
