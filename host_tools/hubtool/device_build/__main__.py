"""`python -m hubtool.device_build FOLDER`: write the built device code into a folder.

What is in the folder is what `hubtool deploy` puts into /lib, for measuring and for copying.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from micropython_webpubsub.assets import device_files

from ..errors import HubtoolError
from .build import Options, build


def main() -> int:
    """Build, write, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m hubtool.device_build", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write; files in it are replaced")
    parser.add_argument("--lines", action="store_true", help="keep line numbers in the bytecode")
    parser.add_argument("--plain", action="store_true", help="compile the sources as they stand")
    parser.add_argument("--texts-in-code", action="store_true", help="move no texts")
    parser.add_argument("--names", type=Path, help="another list of names of a firmware image")
    parser.add_argument("--map", type=Path, help="write the map of the build here")
    arguments = parser.parse_args()
    options = Options(
        plain=arguments.plain,
        lines=arguments.lines,
        texts=not arguments.texts_in_code,
        names=arguments.names,
    )
    try:
        built = build(device_files(), options)
    except HubtoolError as error:
        print(f"device_build: {error}", file=sys.stderr)
        return 1
    for name, content in built.files.items():
        target = arguments.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    if arguments.map and built.map:
        arguments.map.write_text(built.map.to_json(), encoding="utf-8")
    size = sum(map(len, built.files.values()))
    stamp = f", build {built.map.stamp}" if built.map else ""
    print(f"{arguments.folder}: {len(built.files)} files, {size:,} bytes{stamp}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
