"""`hubtool romfs` builds an image that MicroPython imports from, and that a client runs in."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hubtool.board.deployment import TEXTS, prepare
from hubtool.device_build import IN_PLACE
from hubtool.main import main
from localhub import LocalHub
from simboard.board import SimulatedBoard

from tests.support.interpreters import HEAP, SOURCE_HEAP, micropython
from tests.support.protocol import ROLES

# What a port does at its start, with a partition of the flash in place of the buffer.
MOUNT = """
import os, sys, vfs
with open(os.getenv("IMAGE"), "rb") as file:
    image = bytearray(file.seek(0, 2))
    file.seek(0)
    file.readinto(image)
vfs.mount(vfs.VfsRom(memoryview(image)), "/rom")
sys.path[:] = [".frozen", "/rom", "/rom/lib"]
"""
PACKAGES = """
for package in os.listdir("/rom/lib"):
    print(package)
"""
IMPORT = """
for file in os.listdir("/rom/lib/PACKAGE"):
    __import__("PACKAGE." + file[:-4])
    print("/lib/PACKAGE/" + file)
"""
TALK = """
import asyncio
from webpubsub import WebPubSubClient, client

async def talk():
    async with WebPubSubClient(os.getenv("URL")) as client:
        await client.join_group("rom")
        await client.send_to_group("rom", {"kw": 7.2})
        async for message in client:
            print(message.data)
            break

print(client.__file__)
asyncio.run(talk())
"""


def run(image: Path, program: str, heap: str = HEAP, **variables: str) -> list[str]:
    """The lines that a program prints with an image under /rom."""
    done = subprocess.run(
        [micropython(), "-X", f"heapsize={heap}", "-c", MOUNT + program],
        env={**os.environ, "IMAGE": str(image), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [[], ["--firmware"]])
def test_all_that_is_deployed_is_in_the_image(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "device.romfs"
    assert main(["romfs", str(image), *options]) == 0
    assert "mpremote romfs deploy" in capsys.readouterr().out
    wanted = ("/lib/",) if options else ("/lib/webpubsub/",)
    # Texts stay in the code there.
    built = prepare(options=IN_PLACE)
    expected = {item.path for item in built if item.path.startswith(wanted)}
    assert TEXTS not in expected
    # The image itself is in the heap here, beside all modules of a package at once.
    found: set[str] = set()
    for package in run(image, PACKAGES, SOURCE_HEAP):
        found |= set(run(image, IMPORT.replace("PACKAGE", package), SOURCE_HEAP))
    assert found == expected


async def test_a_client_runs_in_place(tmp_path: Path) -> None:
    image = tmp_path / "device.romfs"
    assert main(["romfs", str(image)]) == 0
    async with LocalHub({"hubs": [{"name": "hub"}]}) as hub:
        url = hub.client_url("hub", roles=ROLES)
        printed = await asyncio.to_thread(run, image, TALK, URL=url)
    assert printed == ["/rom/lib/webpubsub/client.mpy", "{'kw': 7.2}"]


def test_mpremote_takes_the_image(tmp_path: Path) -> None:
    image = tmp_path / "device.romfs"
    assert main(["romfs", str(image)]) == 0
    with SimulatedBoard() as board:
        done = subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", board.port, "romfs", "deploy", image],
            capture_output=True,
            text=True,
            timeout=60,
        )
    # The unix port can mount an image, but has no partition for it.
    assert f"Image size is {image.stat().st_size} bytes" in done.stdout
    assert "ROMFS is not enabled on this device" in done.stdout + done.stderr


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["romfs", str(tmp_path / "image.bin")]) == 1
    assert "end in .romfs" in capsys.readouterr().err
    assert main(["romfs", str(tmp_path / "nowhere" / "image.romfs")]) == 1
    assert "name another file" in capsys.readouterr().err
    (tmp_path / "folder.romfs").mkdir()
    assert main(["romfs", str(tmp_path / "folder.romfs"), "--json"]) == 1
    printed = capsys.readouterr()
    assert '"ok": false' in printed.out
    assert "cannot be written" in printed.err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.romfs"]
