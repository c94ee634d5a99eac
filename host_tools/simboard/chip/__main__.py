"""`python -m simboard.chip`: build the model of the chip, oldest and newest MicroPython."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from micropython_webpubsub.assets import boards_folder

from . import names, places, sources
from .build import build, digest
from .tools import BuildError

_NAMES_HEADER = """\
# Names that the stock image of ESP32_GENERIC has in its ROM: using them costs no heap.
# Made by `python -m simboard.chip --names` from the source of MicroPython {versions}: what
# both have. Frozen modules of micropython-lib are not in that source, so their names are missing.
"""


def _check_tools() -> None:
    """See that everything is there, before anything is downloaded.

    Raises:
        BuildError: the text says what is missing and how to get it.
    """
    if not sys.platform.startswith("linux") or not shutil.which("apt-get"):
        raise BuildError("the model of the chip is built on Debian, with apt: not here")
    packages = [name for name in ("gcc", "make") if not shutil.which(name)]
    if "gcc" in packages or not _compiles_for_32_bits():
        packages.append("gcc-multilib")
    if packages:
        raise BuildError(
            f"missing for the model of the chip: {', '.join(packages)}\n"
            f"get it: apt-get install --no-install-recommends {' '.join(packages)}"
        )


def _compiles_for_32_bits() -> bool:
    done = subprocess.run(
        ["gcc", "-m32", "-x", "c", "-o", "/dev/null", "-"],
        input="#include <stdio.h>\nint main(void) { return 0; }\n",
        text=True,
        capture_output=True,
    )
    return done.returncode == 0


def _names_file() -> Path:
    return boards_folder() / "names" / "esp32.txt"


def _collect_names(found: sources.Sources) -> None:
    """Write the file of names anew, from both versions' sources."""
    work = places.folder() / "names"
    common = set.intersection(
        *(names.collect(tree, work / version) for version, tree in found.micropython.items())
    )
    listed = sorted(name for name in common if name.isidentifier())
    header = _NAMES_HEADER.format(versions=" and ".join(found.micropython))
    _names_file().write_text(header + "".join(f"{name}\n" for name in listed), "utf-8")
    print(f"{_names_file()}: {len(listed)} names")


def _build_all(found: sources.Sources, force: bool) -> None:
    wanted = []
    for version, tree in found.micropython.items():
        stamp = places.program(version).with_name("made-of")
        made_of = digest(tree, _names_file())
        have = stamp.read_text("utf-8") if stamp.exists() else ""
        if force or have != made_of or not places.program(version).exists():
            wanted.append((version, tree, stamp, made_of))
    jobs = os.cpu_count() or 1
    if wanted:
        print(
            f"Building MicroPython {' and '.join(item[0] for item in wanted)} for 32 bits ...",
            flush=True,
        )

    def make(item: tuple[str, Path, Path, str]) -> None:
        version, tree, stamp, made_of = item
        program = places.program(version)
        build(version, tree, found.mbedtls, _names_file(), program, jobs)
        stamp.write_text(made_of, "utf-8")

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, wanted))
    known = list(found.micropython)
    places.remember({places.OLDEST: known[0], places.NEWEST: known[-1]})
    for version in known:
        print(f"MicroPython {version}: {places.program(version)}")


def main() -> int:
    """Build what is not up to date; 1 when it cannot be built here."""
    parser = argparse.ArgumentParser(prog="simboard.chip", description=__doc__)
    parser.add_argument("--force", action="store_true", help="build again what is up to date")
    parser.add_argument("--refresh", action="store_true", help="ask Debian for newer sources")
    parser.add_argument(
        "--optional", action="store_true", help="where it cannot be built say so, and succeed"
    )
    parser.add_argument("--names", action="store_true", help="collect boards/names/esp32.txt")
    arguments = parser.parse_args()
    try:
        _check_tools()
        places.folder().mkdir(parents=True, exist_ok=True)
        found = sources.get(places.folder(), refresh=arguments.refresh)
        if arguments.names:
            _collect_names(found)
        else:
            _build_all(found, arguments.force)
    except BuildError as error:
        if arguments.optional:
            print(f"No model of the chip: {str(error).partition(chr(10))[0]}")
            return 0
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
