"""What a simulated board has before it is powered: files, settings, and the radio around it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from littlefs import LittleFS
from micropython_webpubsub.boards import load_board

from .protocol import RELIABLE_JSON

SSID, PASSWORD = "depot", "open sesame"


def write_files(flash: Path, contents: dict[str, bytes]) -> None:
    """Put files into the file system of a flash file; a board that uses it must be off.

    Args:
        flash: the flash file; made, all of it erased, when it is not there.
        contents: path on the board to content.
    """
    board = load_board("simulated")
    where = board.filesystem
    image = bytearray(flash.read_bytes() if flash.exists() else b"\xff" * board.flash.size)
    area = slice(where.offset, where.offset + where.size)
    fresh = not image[area].strip(b"\xff")
    # The parameters of MicroPython's esp32 port.
    system = LittleFS(
        block_size=where.block_size,
        block_count=where.size // where.block_size,
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        block_cycles=100,
        mount=False,
    )
    if fresh:
        system.format()
    else:
        system.context.buffer = image[area]
    system.mount()
    for target, content in contents.items():
        system.makedirs(str(Path(target).parent), exist_ok=True)
        with system.open(target, "wb") as file:
            file.write(content)
    system.unmount()
    image[area] = system.context.buffer
    flash.write_bytes(image)


def write_radio(path: Path, networks: dict[str, str] | None = None) -> Path:
    """Write what a board's radio receives: SSID to password; one network when it is None.

    Returns:
        The path, as SimulatedBoard takes it.
    """
    found = {SSID: PASSWORD} if networks is None else networks
    points = [{"ssid": ssid, "password": word} for ssid, word in found.items()]
    path.write_text(json.dumps({"access_points": points}))
    return path


def record(content: dict[str, Any]) -> bytes:
    """A record as docs/settings.md describes it."""
    line = json.dumps(content, separators=(",", ":")).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def slot_files(
    slot: str = "a",
    generation: int = 1,
    *,
    ca: bytes = b"",
    token: str = "",
    negotiate_key: str = "",
    wifi_password: str = PASSWORD,
    **tables: Any,
) -> dict[str, bytes]:
    """The files of one slot; `tables` are merged into the tables of the settings record."""
    content: dict[str, Any] = {
        "schema": 1,
        "generation": generation,
        "device": {"id": "CP-7", "kind": "charging-point"},
        "hub": {
            "endpoint": "http://127.0.0.1:9",
            "name": "chargers",
            "credential": "token" if token else "anonymous",
            "protocol": RELIABLE_JSON,
        },
        "wifi": {"ssid": SSID},
        "tls": {"ca_sha256": hashlib.sha256(ca).hexdigest()},
        "telemetry": {"group": "telemetry", "interval": 0.5},
        "commands": {"groups": [], "users": ["ops"], "reply_group": "replies"},
        "clock": {"ntp": []},
    }
    for name, table in tables.items():
        content.setdefault(name, {}).update(table)
    secrets = {
        "schema": 1,
        "generation": generation,
        "wifi_password": wifi_password,
        "token": token,
    }
    if negotiate_key:
        secrets["negotiate_key"] = negotiate_key
    return {
        f"/hub/settings.{slot}": record(content),
        f"/hub/secrets.{slot}": record(secrets),
        f"/hub/ca.{slot}": ca,
    }
