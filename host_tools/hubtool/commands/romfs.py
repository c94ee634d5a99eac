"""`hubtool romfs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..board.deployment import prepare
from ..board.rom_image import build_image, write_image
from ..console import print_json, say
from ..device_build import IN_PLACE
from ..errors import ExitCode, HubtoolError

# mpremote takes a folder to build from for anything else.
_ENDINGS = (".romfs", ".img")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and what is to be in it."""
    parser.add_argument("file", type=Path, metavar="FILE", help="what to write: NAME.romfs")
    parser.add_argument(
        "--firmware", action="store_true", help="the firmware too, not only the client"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compile and write.

    Raises:
        HubtoolError: the file has another ending, or cannot be written.
    """
    target: Path = arguments.file
    if target.suffix not in _ENDINGS:
        raise HubtoolError(f"{target}: mpremote deploys files that end in {_ENDINGS[0]}")
    # Code runs in place there, and texts lie in the flash anyway.
    payloads = prepare(options=IN_PLACE)
    if not arguments.firmware:
        payloads = tuple(item for item in payloads if item.path.startswith("/lib/webpubsub/"))
    image = build_image(payloads)
    write_image(image, target)
    if arguments.json:
        print_json({"ok": True, "file": str(target), "bytes": len(image)})
    else:
        say(f"{target}: {len(image):,} bytes. Next: mpremote romfs deploy {target}")
    return ExitCode.OK
