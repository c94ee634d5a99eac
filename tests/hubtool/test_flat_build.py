"""Modules under names of the image, and the short texts of those that are loaded for one use."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from hubtool.device_build import Options, build, prepare_sources
from hubtool.device_build.flat import (
    OFFERED,
    flat_modules,
    flatten,
    flattened,
    stand_ins,
    with_loader,
)
from hubtool.device_build.identifiers import names_in
from hubtool.device_build.literals import passing, short_texts, without_short_texts
from hubtool.device_build.pipeline import names_of_image
from hubtool.device_build.renaming import read_names
from hubtool.device_build.source import Module
from micropython_webpubsub.assets import client_folder, device_files

from tests.support import built
from tests.support.interpreters import micropython

AS = {"webpubsub.keeper": "AUTH", "webpubsub.url": "FF", "firmware.hub": "ULP"}


def module(text: str, name: str = "webpubsub.some") -> Module:
    return Module(name, f"device/{name.replace('.', '/')}.py", text)


def of(new: str) -> str:
    return f'__import__("webpubsub")._module("{new}")'


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("from .keeper import Keeper", f"Keeper={of('AUTH')}.Keeper"),
        (
            "from .keeper import (\n    a,\n    b as c,\n)",
            f"a={of('AUTH')}.a;c={of('AUTH')}.b\n\n\n",
        ),
        ("from webpubsub.keeper import a", f"a={of('AUTH')}.a"),
        ("from . import keeper, url as u", f"keeper={of('AUTH')};u={of('FF')}"),
        ("from . import keeper, once", f"keeper={of('AUTH')};from webpubsub import once"),
        ("from .tls import a as b", "from webpubsub.tls import a as b"),
        ("from firmware import hub", f"hub={of('ULP')}"),
        ("import webpubsub.url as url", f"url={of('FF')}"),
        ("import webpubsub", "import webpubsub"),
        ("from asyncio import sleep", "from asyncio import sleep"),
        ('once("webpubsub.url").f("url")', 'once("FF").f("url")'),
        ("if x:\n    from .url import f\n", f"if x:\n    f={of('FF')}.f\n"),
    ],
)
def test_imports_of_ours_ask_the_package(written: str, left: str) -> None:
    changed = flattened(module(written), AS).text
    assert changed == left
    ast.parse(changed)


def test_relative_imports_start_from_the_package_of_the_module() -> None:
    written = module("from . import hub\nfrom .keeper import a\n", "firmware.node")
    assert flattened(written, AS).text == f"hub={of('ULP')}\nfrom firmware.keeper import a\n"
    written = module("from .hub import start\n", "firmware")
    assert flattened(written, AS).text == f"start={of('ULP')}.start\n"


def test_where_the_package_is_not_built_modules_keep_their_names() -> None:
    assert flat_modules(["webpubsub.url", "firmware.hub"]) == frozenset()
    found = flat_modules(["webpubsub", "webpubsub.url", "webpubsub.heap", "firmware"])
    assert found == {"webpubsub.url"}
    files = [file for file in device_files() if file.target.endswith("/url.py")]
    assert set(build(files).files) == {"webpubsub/url.mpy"}


def test_the_loader_is_in_the_build_only() -> None:
    package = module((client_folder() / "__init__.py").read_text("utf-8"), "webpubsub")
    assert "\n_FLAT = True\n" in with_loader(package).text
    other = module("x = 1\n")
    assert with_loader(other) is other
    with pytest.raises(AssertionError):
        with_loader(module("x = 1\n", "webpubsub"))


def test_each_module_gets_a_name_of_the_image_of_its_own() -> None:
    made = prepare_sources(device_files())
    image = set(read_names(names_of_image()))
    new = list(made.modules_as.values())
    assert len(new) > 45
    assert len(set(new)) == len(new)
    assert set(new) <= image
    # Nothing in the package that keeps them is called so.
    package = next(module for module in made.modules if module.name == "webpubsub")
    assert not set(new) & names_in(package.text)
    # Tracebacks name it, and the map knows it.
    for name, given in made.modules_as.items():
        assert made.map.files[given] == f"device/{name.replace('.', '/')}.py"


def test_no_module_has_a_name_that_the_package_or_the_board_looks_up() -> None:
    made = prepare_sources(device_files())
    names = set(made.modules_as.values())
    package = next(each for each in made.modules if each.name == "webpubsub")
    assert not names & names_in(package.text)
    for stub in client_folder().glob("*.pyi"):
        public = re.findall(r"^(?:class|def|async def) (\w+)", stub.read_text(), re.MULTILINE)
        assert not names.intersection(public)
    # A file of one's own, or what extends a module of MicroPython, is in sys.modules.
    assert not names & {"array", "random", "select", "uctypes", "main", "boot", "ssl", "uasyncio"}


def test_too_small_an_image_is_no_obstacle(tmp_path: Path) -> None:
    few = tmp_path / "names.txt"
    few.write_text("ZQ1\n")
    made = build(device_files(), Options(names=few))
    assert {"webpubsub/_webpubsub_url.mpy", "webpubsub/errors.mpy"} <= set(made.files)


def test_what_programs_import_is_there_under_its_name_and_the_same(built_library: Path) -> None:
    stubs = {f"webpubsub.{path.stem}" for path in client_folder().glob("*.pyi")} - {
        "webpubsub.__init__"
    }
    for name in sorted(stubs | OFFERED):
        assert (built_library / f"{name.replace('.', '/')}.mpy").is_file(), name
    made = stand_ins(AS, ["webpubsub.keeper"])
    assert list(made) == ["webpubsub/keeper.mpy"]
    script = (
        "import sys\nimport webpubsub.errors\nfrom webpubsub import AckError, errors\n"
        "from webpubsub.errors import AckError as same\nfrom webpubsub.backoff import Backoff\n"
        "import webpubsub\n"
        "print(AckError is same is errors.AckError, Backoff is webpubsub.Backoff)\n"
        "from webpubsub.memory import once\n"
        "print(once is webpubsub.once, once('webpubsub.heap') is once('webpubsub.heap'))\n"
        "print('_' in sys.modules, '/_' in sys.path)\n"
        "try:\n    webpubsub.nothing\nexcept AttributeError as error:\n    print(error)\n"
        "try:\n    once('webpubsub.nothing')\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [micropython(), "-c", script],
        cwd=built_library,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [
        "True True",
        "True False",
        "False False",
        "nothing",
        "webpubsub.nothing",
    ], done.stderr


def test_a_module_that_fails_leaves_the_loader_as_it_was(
    built_library: Path, tmp_path: Path
) -> None:
    (tmp_path / "webpubsub").mkdir()
    for path in (built_library / "webpubsub").iterdir():
        (tmp_path / "webpubsub" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "webpubsub" / "heap.mpy").write_bytes(b"M\x06")
    script = (
        "import sys, vfs, os\nfrom webpubsub import once\n"
        "for _ in range(3):\n"
        "    try:\n        once('webpubsub.heap')\n"
        "    except Exception as error:\n        print(type(error).__name__)\n"
        "print('_' in sys.modules, '/_' in sys.path, '_' in os.listdir('/'))\n"
        "print(once('webpubsub.tls').tls_context.__name__)\n"
    )
    done = subprocess.run(
        [micropython(), "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    first, *more = done.stdout.splitlines()
    assert first in ("ValueError", "OSError", "EOFError"), done.stdout + done.stderr
    assert more == [first, first, "False False False", "tls_context"], done.stderr


TEXTS = """
'''Not this.'''
def f(x, kind="://"):
    'nor this'
    if x in ("a", "b"):
        return f"{x}=" + "known"
    return {"?": "longer than ten"}["?"] % ("é" * 2, x)
"""


def test_short_texts_of_passing_modules_are_objects() -> None:
    before = module(TEXTS)
    assert short_texts(before) == {"://", "known", "?", "é"}
    after = without_short_texts(before, {"known"}, "T").text
    table = re.search(r"'''Not this.''';T=\((.*),\)\n", after)
    assert table
    order = [text.strip("'") for text in table[1].split(",")]
    assert sorted(order) == ["://", "?", "é"]
    wanted = TEXTS.replace("'''\n", f"''';T=({table[1]},)\n", 1)
    for number, text in enumerate(order):
        wanted = wanted.replace(f'"{text}"', f"T[{number}]")
    assert after == wanted
    bare = module(TEXTS.partition("\n")[2].partition("\n")[2])
    assert without_short_texts(bare, ()) == bare, "where nothing is free to stand before all"


def test_only_modules_that_nobody_imports_are_passing() -> None:
    listed = [
        module('x = once("webpubsub.url")\ny = "webpubsub.keeper"', "webpubsub.a"),
        module("from .keeper import z\n", "webpubsub.b"),
        module("", "webpubsub.url"),
        module("", "webpubsub.keeper"),
    ]
    assert passing(listed) == {"webpubsub.url"}


def test_a_script_of_the_tests_is_translated_likewise() -> None:
    assert flatten("from webpubsub.url import f\n", AS) == f"f={of('FF')}.f\n"
    assert "_module" not in built.translated("from webpubsub.keeper import Keeper\n")
