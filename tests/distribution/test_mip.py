"""mip installs the client from a web server: over the serial port, and on the board itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from simboard.board import SimulatedBoard

from tests.support.interpreters import DEVICE, HEAP, micropython

PACKAGE = json.loads((DEVICE / "package.json").read_text(encoding="utf-8"))
NAMES = [target.removesuffix(".py").replace("/", ".") for target, _ in PACKAGE["urls"]]
# Each module is imported, so that one that is missing or cut short is seen.
USE = """
import webpubsub
for name in %s:
    __import__(name)
print("client", webpubsub.__version__, webpubsub.__file__, %s)
"""
CLIENT = "webpubsub.WebPubSubClient.__name__"
# Some at a time: compiled from sources, all of them are too much for a board.
OF_CLIENT = [name for name in NAMES if name.startswith("webpubsub.")]
OF_CHARGING = [name for name in NAMES if name.startswith("chargepoint.")]
PARTS = [USE % (OF_CLIENT, CLIENT)]
PARTS += [USE % (OF_CHARGING[at::3], "'WebPubSubClient'") for at in range(3)]


def mpremote(port: str, *words: str) -> str:
    """Run one mpremote command to its end; fails when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mpremote_installs_it_on_a_board(device_url: str) -> None:
    with SimulatedBoard() as board:
        printed = mpremote(board.port, "mip", "install", device_url)
        assert printed.count("Installing: /lib/") == len(PACKAGE["urls"])
        version = PACKAGE["version"]
        for part in PARTS:
            used = mpremote(board.port, "exec", part)
            assert used.strip() == f"client {version} /lib/webpubsub/__init__.py WebPubSubClient"
        # It is on the flash, not only in the board's memory.
        board.power_cut()
        board.wait_for("MicroPython", 20)
        assert mpremote(board.port, "exec", PARTS[0]) == used


def test_the_built_client_is_a_package_too(tmp_path: Path) -> None:
    folder = tmp_path / "mip"
    words = [sys.executable, "-m", "hubtool.device_build", "--mip", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == PACKAGE["version"]
    listed = {target.partition(".")[0] for target, _ in package["urls"]}
    # The code of most modules has another name there; what programs import has its own.
    sources = {target.partition(".")[0] for target, _ in PACKAGE["urls"]}
    code = {name for name in listed - sources if name.startswith("webpubsub/_")}
    # But for the two packages, and what is loaded by name.
    assert len(code) + 7 > len(sources) > len(code)
    assert listed <= sources | code
    offered = sorted(name.replace("/", ".") for name in listed & sources)
    offered.remove("webpubsub.__init__")
    offered.remove("chargepoint.__init__")
    offered.remove("webpubsub.texts")  # its texts, and no module
    assert {"webpubsub.client", "webpubsub.errors", "webpubsub.websocket"} <= set(offered)
    assert ["webpubsub/texts.bin", "webpubsub/texts.bin"] in package["urls"]
    refused = "try:\n    webpubsub.Backoff(2, 1)\nexcept ValueError as error:\n    print(error)\n"
    with SimulatedBoard() as board:
        printed = mpremote(board.port, "mip", "install", f"{folder}/package.json")
        assert printed.count("Installing: /lib/") == len(package["urls"])
        used = mpremote(board.port, "exec", USE % (offered, CLIENT) + refused).splitlines()
    assert used[0] == f"client {PACKAGE['version']} /lib/webpubsub/__init__.mpy WebPubSubClient"
    assert used[1].startswith("first must be at most maximum")


def test_a_board_installs_it_by_itself(device_url: str, tmp_path: Path) -> None:
    target = tmp_path / "lib"

    def run(text: str) -> str:
        done = subprocess.run(
            [micropython(), "-X", f"heapsize={HEAP}", "-c", text],
            env={**os.environ, "MICROPYPATH": f"{target}:.frozen"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(f"import mip\nmip.install({device_url!r}, target={str(target)!r})")
    expected = f"client {PACKAGE['version']} {target}/webpubsub/__init__.py WebPubSubClient"
    # Later, as on a board that has started anew: sources take their time and memory to compile.
    for part in PARTS:
        assert run(part).splitlines()[-1] == expected
    for installed, source in PACKAGE["urls"]:
        assert (target / installed).read_bytes() == (DEVICE / source).read_bytes()
