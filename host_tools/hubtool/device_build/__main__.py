"""`python -m hubtool.device_build FOLDER`: write the built device code into a folder.

What is in the folder is what `hubtool deploy` puts into /lib, for measuring and for copying; with
`--mip` it is what mip installs, without the firmware, with the list that mip takes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from micropython_webpubsub.assets import device_files

from ..errors import HubtoolError
from .pipeline import Options, build


def main() -> int:
    """Build, write, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m hubtool.device_build", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write; files in it are replaced")
    parser.add_argument("--mip", action="store_true", help="for mip: without the firmware")
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
        files = device_files()
        if arguments.mip:
            files = [file for file in files if not file.target.startswith("/lib/firmware/")]
        built = build(files, options)
    except HubtoolError as error:
        print(f"device_build: {error}", file=sys.stderr)
        return 1
    for name, content in built.files.items():
        target = arguments.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    if arguments.mip:
        (arguments.folder / "package.json").write_text(_package(built.files), encoding="utf-8")
    if arguments.map and built.map:
        arguments.map.write_text(built.map.to_json(), encoding="utf-8")
    size = sum(map(len, built.files.values()))
    stamp = f", build {built.map.stamp}" if built.map else ""
    print(f"{arguments.folder}: {len(built.files)} files, {size:,} bytes{stamp}")
    return 0


def _package(files: Iterable[str]) -> str:
    """The list of the package: its files lie beside it, wherever it is served."""
    content = {
        "version": version("micropython-webpubsub"),
        "deps": [],
        "urls": [[name, name] for name in files],
    }
    return json.dumps(content, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
