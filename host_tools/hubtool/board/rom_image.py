"""The device code as a ROMFS image: bytecode that MicroPython runs where it lies in the flash."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mpremote.romfs import VfsRomWriter

from ..errors import HubtoolError
from .deployment import Payload


def build_image(payloads: Sequence[Payload]) -> bytes:
    """An image of all that goes into a folder of /lib; it appears under /rom/lib.

    Args:
        payloads: from `prepare`. What is not in such a folder stays out: MicroPython runs neither
            boot.py nor main.py from there.
    """
    writer = VfsRomWriter()
    writer.opendir("lib")
    listed = [(PurePosixPath(item.path), item.data) for item in payloads]
    for folder in sorted({path.parent for path, _ in listed if path.parent.parent.name == "lib"}):
        writer.opendir(folder.name)
        for path, data in listed:
            if path.parent == folder:
                writer.mkfile(path.name, data)
        writer.closedir()
    writer.closedir()
    return bytes(writer.finalise())


def write_image(image: bytes, target: Path) -> None:
    """Write an image to a file; when that fails, an older file of this name stays as it is.

    Raises:
        HubtoolError: it cannot be written there.
    """
    half = target.with_name(target.name + ".tmp")
    try:
        half.write_bytes(image)
        os.replace(half, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink()
        raise HubtoolError(
            f"{target}: cannot be written: {error.strerror}: name another file"
        ) from None
