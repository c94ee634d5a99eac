"""How many names a board must keep in its heap for the device code.

MicroPython keeps each name, and each short text, once and for ever: its text and eight bytes, in
tables that double (20, 40, 80, 160, 320 places). What the firmware's image has in its ROM is free.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hubtool.board.deployment import prepare
from hubtool.device_build import Options, prepare_sources
from hubtool.device_build.flat import output
from hubtool.device_build.pipeline import names_of_image
from hubtool.device_build.renaming import read_names
from micropython_webpubsub.assets import device_files

from tests.support import built
from tests.support.interpreters import ROOT, micropython

# What a board with Wi-Fi, JSON and a token has loaded for good; the rest comes when it is used.
ROOTS = """
import firmware
from firmware import commands, hub, node, wiring, station
from webpubsub import WebPubSubClient, connection, json_protocol
"""
# Lower them when there are fewer: each name that creeps in costs every board some 16 bytes.
MOST_FOR_GOOD = 212
MOST_IN_ALL = 335
MOST_OF_CHARGING = 152
# What has no hardware of its own.
ON_THE_DESK = ("chargepoint.console", "chargepoint.simulated")


def interned(bytecode: bytes) -> set[str]:
    """The names that a `.mpy` file brings along, by its first table (py/persistentcode.c)."""
    at = 4

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            byte = bytecode[at]
            at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    count = number()
    number()  # objects
    found = set()
    for _ in range(count):
        size = number()
        if size & 1:
            continue  # one of those that every MicroPython has
        size >>= 1
        found.add(bytecode[at : at + size].decode())
        at += size + 1
    return found


def new_names(files: dict[str, bytes]) -> set[str]:
    """Those of some modules that the image of the ESP32 lacks.

    Importing one makes three more: its dotted name, its last part, and the path of its file; not
    so those that only the build's own loader loads, whose files begin with an underscore.
    """
    found = set()
    for path, bytecode in files.items():
        found |= interned(bytecode)
        if PurePosixPath(path).name.startswith("_") and not path.endswith("__init__.mpy"):
            continue
        parts = PurePosixPath(path).relative_to("/lib").with_suffix("").parts
        dotted = ".".join(part for part in parts if part != "__init__")
        found |= {path, dotted, dotted.rpartition(".")[2]}
    return found - set(read_names(names_of_image()))


def run(library: Path, script: str) -> list[str]:
    """The lines that a script prints in the folder of the built code."""
    done = subprocess.run(
        [micropython(), "-c", script], cwd=library, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def loaded(library: Path, roots: str) -> set[str]:
    """The files of the modules that are loaded once these are."""
    script = built.translated(roots) + "import sys, webpubsub\nprint(*webpubsub.__dict__)\n"
    script += "for name in sys.modules: print(getattr(sys.modules[name], '__file__', ''))"
    kept, *files = run(library, script)
    names = prepare_sources(device_files(), built.options()).modules_as.values()
    ours = {f"/lib/{output(name)}" for name in names if name in kept.split()}
    return ours | {f"/lib/{path}" for path in files if path.endswith(".mpy")}


def test_names_do_not_creep_in(built_library: Path) -> None:
    files = {
        f"/lib/{path.relative_to(built_library).as_posix()}": path.read_bytes()
        for path in built_library.rglob("*.mpy")
    }
    resident = loaded(built_library, ROOTS)
    assert len(resident) > 25
    assert resident <= set(files)
    for_good = new_names({path: files[path] for path in resident})
    charging = only_charging(files)
    in_all = new_names({path: files[path] for path in set(files) - charging})
    print(f"{len(for_good)} names for good, {len(in_all)} in all")
    assert len(for_good) <= MOST_FOR_GOOD, sorted(for_good)
    assert len(in_all) <= MOST_IN_ALL, sorted(in_all)


def only_charging(files: Iterable[str]) -> set[str]:
    """The files that only charging points load."""
    names = prepare_sources(device_files(), built.options()).modules_as
    charging = ("chargepoint.", "firmware.charg")
    code = {f"/lib/{output(new)}" for old, new in names.items() if old.startswith(charging)}
    return code | {path for path in files if path.startswith("/lib/chargepoint/")}


def test_names_of_charging_points_do_not_creep_in(built_library: Path) -> None:
    files = {
        f"/lib/{path.relative_to(built_library).as_posix()}": path.read_bytes()
        for path in built_library.rglob("*.mpy")
    }
    charging = only_charging(files)
    others = new_names({path: files[path] for path in set(files) - charging})
    names = prepare_sources(device_files(), built.options()).modules_as
    desk = {f"/lib/{output(names[name])}" for name in ON_THE_DESK}
    assert desk < charging
    found = new_names({path: files[path] for path in charging - desk}) - others
    print(f"{len(found)} names of charging points")
    assert len(found) <= MOST_OF_CHARGING, " ".join(sorted(found))


def test_the_build_is_what_keeps_them_few() -> None:
    payloads = prepare(options=Options(plain=True))
    plain = {
        item.path: item.data
        for item in payloads
        if item.path.endswith(".mpy") and "/chargepoint/" not in item.path
    }
    assert len(new_names(plain)) > 1.5 * MOST_IN_ALL


def test_what_the_page_offers_is_there_in_the_build(built_library: Path) -> None:
    page = (ROOT / "docs" / "firmware.md").read_text(encoding="utf-8")
    table = page.partition("## Modules")[2].partition("\n\nThe others")[0]
    rows = re.findall(r"^\| (?:`firmware`, )?`(firmware\.\w+)` \| (.*) \|$", table, re.MULTILINE)
    assert len(rows) >= 5
    for module, cell in rows:
        for name in re.findall(r"`(\w+)", cell):
            run(built_library, f"from {module} import {name}")


def used_by(program: str) -> set[str]:
    """What a program uses of others: names after a dot, imported ones, keywords; not its own."""
    nodes = list(ast.walk(ast.parse(program)))
    own = {node.id for node in nodes if isinstance(node, ast.Name)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            used |= {alias.name for alias in node.names}
    return used - own


def test_what_programs_of_the_pages_use_keeps_its_name() -> None:
    names = set(prepare_sources(device_files()).names)
    seen = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            ours = re.search(r"^(from|import) (webpubsub|firmware)\b", program, re.MULTILINE)
            if not ours or "localhub" in program:
                continue
            used = used_by(program)
            seen += len(used)
            assert not used & names, f"{page.name}: {used & names}"
    assert seen > 50
