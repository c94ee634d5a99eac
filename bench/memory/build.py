"""A board's files, as `hubtool deploy` leaves them, and the programs that are measured on it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hubtool.board.deployment import prepare
from hubtool.device_build import Prepared, prepare_sources
from hubtool.device_build.bytecode import compile_source
from hubtool.device_build.pipeline import WITHOUT_LINES
from micropython_webpubsub.assets import device_files
from micropython_webpubsub.boards import load_board

_BOARD = "esp32_generic"
_PROGRAMS = Path(__file__).with_name("device")


@dataclass(frozen=True)
class Board:
    """Folders of one board.

    Attributes:
        root: what is `/` there.
        programs: what measures, outside of that.
        prepared: the sources of its code.
    """

    root: Path
    programs: Path
    prepared: Prepared

    def copy(self, folder: Path) -> Board:
        """Another board with the same files."""
        shutil.copytree(self.root, folder, dirs_exist_ok=True)
        return replace(self, root=folder)

    def path_of(self, module: str) -> Path:
        """The file of a module."""
        return self.root / "lib" / self.prepared.output(module)

    def add_app(self) -> None:
        """The application of 4 KB."""
        _put(self.root / "app.mpy", (self.programs / "app.mpy").read_bytes())

    def configure(self, endpoint: str, token: str, ca: bytes, ntp: str) -> None:
        """Write the settings of a board, as docs/settings.md describes them."""
        common = {"schema": 1, "generation": 1}
        settings = {
            **common,
            "device": {"id": "CP-7", "kind": "charging-point"},
            "hub": {
                "endpoint": endpoint,
                "name": "chargers",
                "credential": "token",
                "protocol": "json.reliable.webpubsub.azure.v1",
            },
            "wifi": {"ssid": "depot"},
            "tls": {"ca_sha256": hashlib.sha256(ca).hexdigest()},
            "telemetry": {"group": "telemetry", "interval": 1},
            "commands": {"groups": [], "users": ["ops"], "reply_group": "replies"},
            "clock": {"ntp": [ntp]},
        }
        secrets = {**common, "wifi_password": "open sesame", "token": token}
        _put(self.root / "hub" / "settings.a", _record(settings))
        _put(self.root / "hub" / "secrets.a", _record(secrets))
        _put(self.root / "hub" / "ca.a", ca)


@dataclass(frozen=True)
class Boards:
    """Two boards with everything on them but settings.

    Attributes:
        usual: with the files of `hubtool deploy`.
        watched: each module says when it has been loaded, to find the highest moment.
        prepared: the sources of both.
    """

    usual: Board
    watched: Board
    prepared: Prepared


def make_boards(folder: Path) -> Boards:
    """Build the device code, and compile the programs.

    Raises:
        HubtoolError: something does not compile.
    """
    programs = folder / "programs"
    for source in sorted(_PROGRAMS.rglob("*.py")):
        compiled = compile_source(source.read_text("utf-8"), source.stem, source, WITHOUT_LINES)
        _put(programs / f"{source.stem}.mpy", compiled)
    prepared = prepare_sources(device_files())
    usual = Board(folder / "usual", programs, prepared)
    for payload in prepare(memory=load_board(_BOARD).memory):
        _put(usual.root / payload.path.lstrip("/"), payload.data)
    watched = usual.copy(folder / "watched")
    tidy_up = prepared.names.get("tidy_up", "tidy_up")
    for module in prepared.modules:
        # Tidied up before its end, what was highest would have been forgotten.
        text = re.sub(rf"(?m)^{tidy_up}\(\).*$", "pass", module.text)
        text += f'\n__import__("rig").collect("{module.name}")\n'
        path = watched.path_of(module.name)
        path.write_bytes(
            compile_source(text, prepared.titles[module.name], Path(module.path), WITHOUT_LINES)
        )
    return Boards(usual, watched, prepared)


def _record(content: dict[str, Any]) -> bytes:
    line = json.dumps(content, separators=(",", ":")).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
