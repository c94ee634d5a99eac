"""Files on a board: hashes, atomic writes and removals, over a serial link."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from posixpath import dirname
from typing import Any

from ..errors import DeviceRefused, VerifyFailed
from .serial_link import SerialLink

# Bytes per write: three quarters of a kilobyte of base64, so that the board's heap holds a line
# of code, its string and the bytes even when it is small.
_CHUNK = 768


@dataclass(frozen=True)
class Identity:
    """What a board says about itself.

    Attributes:
        version: firmware version, such as (1, 24, 0).
        bytecode: version of the bytecode that it loads; 0 when it loads none.
        build: name of the firmware build, such as "ESP32_GENERIC"; empty before 1.25, which does
            not say.
        platform: `sys.platform` of the board.
        machine: board and chip as people know them, such as "Generic ESP32 module with ESP32".
        unique_id: of the chip, in hexadecimal; empty where the firmware does not tell it.
    """

    version: tuple[int, ...]
    bytecode: int
    build: str
    platform: str
    machine: str
    unique_id: str = ""

    def facts(self) -> dict[str, str]:
        """What `--json` says of the board, for the log of a factory."""
        return {
            "unique_id": self.unique_id,
            "micropython": self.release,
            "build": self.build,
            "machine": self.machine,
        }

    @property
    def release(self) -> str:
        """The version as people write it, such as "1.24.0"."""
        return ".".join(str(part) for part in self.version)


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def _with_those_above(folder: str) -> list[str]:
    parts = folder.strip("/").split("/")
    return ["/" + "/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


class BoardFiles:
    """Files of one board.

    Paths are absolute. All methods raise `DeviceRefused` when the board refuses or is gone.

    Attributes:
        link: to the board.
    """

    def __init__(self, link: SerialLink) -> None:
        self.link = link
        link.load("files")

    def identity(self) -> Identity:
        """Ask the board what it is."""
        version, bytecode, build, platform, machine = self.link.call(
            "identity", doing="asking for its version"
        )
        unique_id = self.link.call("unique_id", doing="asking for its unique id")
        return Identity(tuple(version), bytecode, build, platform, machine, unique_id)

    def ask(self, program: str, function: str, *arguments: Any, doing: str) -> Any:
        """Load a program of `on_board/` and call one of its functions; see `SerialLink.call`."""
        self.link.load(program, doing=doing)
        return self.link.call(function, *arguments, doing=doing)

    def hashes(self, paths: Iterable[str]) -> dict[str, str | None]:
        """SHA-256 of each file, None where there is none."""
        found: dict[str, str | None] = {}
        # A few at a time: the answer is a literal, and the list a line of code on the board.
        listed = list(paths)
        for start in range(0, len(listed), 16):
            some = listed[start : start + 16]
            sums = self.link.call("hash_files", some, doing="reading hashes")
            found.update(zip(some, sums, strict=True))
        return found

    def read(self, path: str) -> bytes:
        """The content of a small file.

        Raises:
            DeviceRefused: there is no such file.
        """
        data: bytes = self.link.call("read_file", path, doing=f"reading {path}")
        return data

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder; empty when there is no such folder."""
        listed: list[str] = self.link.call("list_files", folder, doing=f"listing {folder}")
        return listed

    def check_places(self, paths: Iterable[str]) -> None:
        """Refuse a board on which files cannot be written because something else is there.

        Args:
            paths: of the files.

        Raises:
            DeviceRefused: a file is where a folder must be, or the other way round.
        """
        names: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            names.setdefault(folder or "/", set()).add(name)
        for folder in sorted({above for each in names for above in _with_those_above(each)}):
            found = self.link.call("folders_in", folder, doing=f"looking at {folder}")
            if found is None:
                raise DeviceRefused(
                    f"{self.link.port}: {folder} is a file on the board, and a folder must be "
                    "there: remove it or give it another name, then try again"
                )
            for name in sorted(names.get(folder, set()).intersection(found)):
                raise DeviceRefused(
                    f"{self.link.port}: {folder.rstrip('/')}/{name} is a folder on the board, and "
                    "a file must be there: remove it or give it another name, then try again"
                )

    def make_folder(self, folder: str) -> None:
        """Make a folder and those above it, where they are missing."""
        parts = folder.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            path = "/" + "/".join(parts[:depth])
            self.link.call("make_folder", path, doing=f"making {path}")

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens when there is none."""
        self.link.call("remove_file", path, doing=f"removing {path}")

    def rename(self, old: str, new: str) -> None:
        """Rename a file; an existing one of the new name is replaced."""
        self.link.call("rename_file", old, new, doing=f"renaming {old}")

    def write(
        self, path: str, data: bytes, progress: Callable[[float], None] = lambda _fraction: None
    ) -> None:
        """Write a file in place and compare its hash. Not atomic: see `replace`.

        Raises:
            VerifyFailed: the board holds something else than was sent.
        """
        doing = f"writing {path}"
        self.link.call("begin_file", path, doing=doing)
        for start in range(0, len(data), _CHUNK):
            encoded = binascii.b2a_base64(data[start : start + _CHUNK], newline=False)
            self.link.call("add_to_file", encoded, doing=doing)
            progress(min(start + _CHUNK, len(data)) / len(data))
        self.link.call("end_file", doing=doing)
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
