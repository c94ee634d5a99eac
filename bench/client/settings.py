"""Where code is, and how wide a word is: what the need of heap depends on."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from ..measure import MICROPYTHON, MICROPYTHON_32, BenchError, Program
from .build import Libraries

NO_32_BITS = "For figures of 32 bits, let MICROPYTHON_32 name an interpreter of 32 bits."


@dataclass(frozen=True)
class Setting:
    """An interpreter, and how it gets the code.

    Attributes:
        micropython: the interpreter.
        bits: of its words.
        in_place: whether the code is in a ROMFS image and stays there, or is loaded from files.
    """

    micropython: str
    bits: int
    in_place: bool

    def __str__(self) -> str:
        return f"{self.bits}-bit, {'in place' if self.in_place else 'from files'}"

    def run(
        self,
        libraries: Libraries,
        name: str,
        heap: int,
        told: Mapping[str, object],
        timeout: float,
    ) -> str:
        """What a program prints that has so many bytes of heap; raises as `Program.run`."""
        if self.in_place:
            image = libraries.rom.stat().st_size
            # The collector keeps three bits for each block of four words, of the image as well.
            heap += image + 3 * image // (4 * self.bits) + 1
            told = {**told, "ROM": libraries.rom, "PROGRAM": name}
            name = "in_place"
        program = Program(name, libraries.usual, str(heap), self.micropython)
        return program.run(told, timeout)


def settings() -> list[Setting]:
    """All of them.

    Raises:
        BenchError: an interpreter cannot be run.
    """
    interpreters = [MICROPYTHON, *([MICROPYTHON_32] if MICROPYTHON_32 else [])]
    return [Setting(one, _bits(one), place) for one in interpreters for place in (False, True)]


def _bits(micropython: str) -> int:
    command = [micropython, "-c", "import sys; print(32 if sys.maxsize < 1 << 32 else 64)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"cannot run {micropython}: {error}") from error
    return int(done.stdout)
