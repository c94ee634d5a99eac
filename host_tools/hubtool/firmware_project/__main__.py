"""`python -m hubtool.firmware_project BOARD FOLDER`, for `make firmware`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import HubtoolError
from .checkout import check_checkout
from .project import find_board, write_project


def main() -> int:
    """Write the folder, check it, and say what to do with it."""
    parser = argparse.ArgumentParser(prog="make firmware", description=__doc__)
    parser.add_argument("board", help="name of MicroPython's build, or id or path of a board file")
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument(
        "--micropython",
        type=Path,
        metavar="DIR",
        help="check against this checkout of MicroPython",
    )
    arguments = parser.parse_args()
    try:
        board = find_board(arguments.board)
        lines = write_project(board, arguments.folder)
        if arguments.micropython is not None:
            lines += check_checkout(arguments.micropython, board, arguments.folder)
    except HubtoolError as error:
        print(f"make firmware: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.folder}: for {board.title}")
    for line in lines:
        print(f"  {line}")
    print(
        f"Next: {arguments.folder}/build.sh FROZEN /path/of/micropython (or ROMFS); see README.md"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
