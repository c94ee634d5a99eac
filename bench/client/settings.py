"""Where code is, and how wide a word is: what the need of heap depends on."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from ..measure import FROZEN, MICROPYTHON, OTHERS, BenchError, Program
from .build import Libraries

FILES = "from files"
ROMFS = "in place"
FLASH = "frozen"


@dataclass(frozen=True)
class Setting:
    """An interpreter, and how it gets the code.

    Attributes:
        micropython: the interpreter.
        bits: of its words.
        code: FILES; ROMFS: it is in an image and stays there; FLASH: the client is frozen, the
            programs are files.
    """

    micropython: str
    bits: int
    code: str

    def __str__(self) -> str:
        return f"{self.bits}-bit, {self.code}"

    def run(
        self,
        libraries: Libraries,
        name: str,
        heap: int,
        environment: Mapping[str, object],
        timeout: float,
    ) -> str:
        """What a program prints that has so many bytes of heap; raises as `Program.run`."""
        library = libraries.programs if self.code == FLASH else libraries.usual
        if self.code == ROMFS:
            image = libraries.rom.stat().st_size
            # The collector keeps three bits for each block of four words, of the image as well.
            heap += image + 3 * image // (4 * self.bits) + 1
            environment = {**environment, "ROM": libraries.rom, "PROGRAM": name}
            name = "in_place"
        program = Program(name, library, str(heap), self.micropython)
        return program.run(environment, timeout)


def settings() -> list[Setting]:
    """All of them; those with the words of a board first.

    Raises:
        BenchError: an interpreter cannot be run.
    """
    usual = [(one, code) for one in (MICROPYTHON, *OTHERS) for code in (FILES, ROMFS)]
    frozen = [(one, FLASH) for one in FROZEN]
    found = [Setting(one, _bits(one), code) for one, code in (*usual, *frozen)]
    return sorted(found, key=lambda one: one.bits)


def missing() -> str:
    """What to set for more figures; empty if all is set."""
    if OTHERS and FROZEN:
        return ""
    return (
        "MICROPYTHON_OTHERS and MICROPYTHON_FROZEN may name more interpreters, such as one of 32 "
        "bits, and one with the client frozen."
    )


def _bits(micropython: str) -> int:
    command = [micropython, "-c", "import sys; print(32 if sys.maxsize < 1 << 32 else 64)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"cannot run {micropython}: {error}") from error
    return int(done.stdout)
