"""Files on a board: hashes, atomic writes and removals, over a serial link."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from posixpath import dirname
from typing import Any

from ..errors import VerifyFailed
from .serial_link import SerialLink

# Bytes per write: three quarters of a kilobyte of base64, so that the board's heap holds a line
# of code, its string and the bytes even when it is small.
_CHUNK = 768

# Base64 costs a third more than the file; repr() of bytecode costs about 170 %.
_HELPERS = """
import os, sys, gc
from hashlib import sha256
from binascii import a2b_base64 as _d, hexlify
gc.collect()
def _sum(path):
    try:
        f = open(path, 'rb')
    except OSError:
        return None
    h = sha256()
    b = bytearray(512)
    m = memoryview(b)
    with f:
        n = f.readinto(b)
        while n:
            h.update(m[:n])
            n = f.readinto(b)
    return hexlify(h.digest()).decode()
def _list(folder):
    try:
        return [e[0] for e in os.ilistdir(folder) if e[1] == 0x8000]
    except OSError:
        return []
def _remove(path):
    try:
        os.remove(path)
    except OSError as e:
        if e.errno != 2:
            raise
"""


@dataclass(frozen=True)
class Identity:
    """What a board says about itself.

    Attributes:
        version: firmware version, such as (1, 24, 0).
        bytecode: version of the bytecode that it loads; 0 when it loads none.
        build: name of the firmware build, such as "ESP32_GENERIC"; empty when not told, as by
            every firmware before 1.25.
        platform: `sys.platform` of the board.
        machine: board and chip in words, such as "Generic ESP32 module with ESP32".
    """

    version: tuple[int, ...]
    bytecode: int
    build: str
    platform: str
    machine: str

    @property
    def release(self) -> str:
        """The version as people write it, such as "1.24.0"."""
        return ".".join(str(part) for part in self.version)


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


class BoardFiles:
    """Files of one board.

    Paths are absolute. All methods raise `DeviceRefused` when the board refuses or is gone.
    """

    def __init__(self, link: SerialLink) -> None:
        self._link = link
        link.run(_HELPERS, doing="preparing the board")

    def identity(self) -> Identity:
        """Ask the board what it is."""
        version, bytecode, build, platform, machine = self._link.evaluate(
            "i = sys.implementation\n"
            "print(repr((tuple(i.version[:3]), getattr(i, '_mpy', 0) & 0xff,"
            " getattr(i, '_build', ''), sys.platform, getattr(i, '_machine', ''))))",
            doing="asking for its version",
        )
        return Identity(tuple(version), bytecode, build, platform, machine)

    def evaluate(self, code: str, *, doing: str) -> Any:
        """Run code with the helpers at hand; it prints one repr, whose value is returned."""
        return self._link.evaluate(code, doing=doing)

    def hashes(self, paths: Iterable[str]) -> dict[str, str | None]:
        """SHA-256 of each file, None where there is none."""
        found: dict[str, str | None] = {}
        # A few at a time: the answer is a literal, and the list a line of code on the board.
        listed = list(paths)
        for start in range(0, len(listed), 16):
            some = listed[start : start + 16]
            sums = self._link.evaluate(
                f"print(repr([_sum(p) for p in {some!r}]))", doing="reading hashes"
            )
            found.update(zip(some, sums, strict=True))
        return found

    def read(self, path: str) -> bytes:
        """The content of a small file.

        Raises:
            DeviceRefused: there is no such file.
        """
        data: bytes = self._link.evaluate(
            f"with open({path!r}, 'rb') as f: print(repr(f.read()))", doing=f"reading {path}"
        )
        return data

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder; empty when there is no such folder."""
        listed: list[str] = self._link.evaluate(
            f"print(repr(_list({folder!r})))", doing=f"listing {folder}"
        )
        return listed

    def make_folder(self, folder: str) -> None:
        """Make a folder and those above it, where they are missing."""
        parts = folder.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            path = "/" + "/".join(parts[:depth])
            self._link.run(
                f"try:\n os.mkdir({path!r})\nexcept OSError as e:\n if e.errno != 17: raise",
                doing=f"making {path}",
            )

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens when there is none."""
        self._link.run(f"_remove({path!r})", doing=f"removing {path}")

    def rename(self, old: str, new: str) -> None:
        """Rename a file; an existing one of the new name is replaced."""
        self._link.run(f"os.rename({old!r}, {new!r})", doing=f"renaming {old}")

    def write(
        self, path: str, data: bytes, progress: Callable[[float], None] = lambda _fraction: None
    ) -> None:
        """Write a file in place and compare its hash. Not atomic: see `replace`.

        Raises:
            VerifyFailed: the board holds something else than was sent.
        """
        doing = f"writing {path}"
        self._link.run(f"_f = open({path!r}, 'wb')\n_w = _f.write", doing=doing)
        for start in range(0, len(data), _CHUNK):
            encoded = binascii.b2a_base64(data[start : start + _CHUNK], newline=False)
            self._link.run(f"_w(_d({encoded!r}))", doing=doing)
            progress(min(start + _CHUNK, len(data)) / len(data))
        self._link.run("_f.close()", doing=doing)
        if self.hashes([path])[path] != sha256(data):
            raise VerifyFailed(
                f"{path}: the board holds something else than was sent: "
                "use another cable or USB port, then run the same command again"
            )

    def replace(
        self, path: str, data: bytes, progress: Callable[[float], None] = lambda _fraction: None
    ) -> None:
        """Write a file so that a cable pulled at any time leaves the old one or the new one."""
        temporary = path + ".tmp"
        if dirname(path) != "/":
            self.make_folder(dirname(path))
        self.write(temporary, data, progress)
        self.rename(temporary, path)
