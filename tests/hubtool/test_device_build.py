"""The build step: what it changes in a source, what it leaves alone, and that it is repeatable."""

from __future__ import annotations

import ast
import io
import random
import re
import subprocess
import tokenize
from itertools import pairwise
from pathlib import Path

import pytest
from hubtool.device_build import BuildMap, MapError, Options, build, prepare_sources, read_map
from hubtool.device_build.branches import without_cpython, without_leftovers
from hubtool.device_build.identifiers import (
    listed_internal,
    listed_public,
    names_in,
    private_names,
)
from hubtool.device_build.pipeline import stubs
from hubtool.device_build.renaming import assign, read_names, rename_source, renamed
from hubtool.device_build.source import Module
from hubtool.device_build.texts import packed, texts_of, without_texts
from hubtool.errors import HubtoolError
from micropython_webpubsub.assets import DeviceFile, boards_folder, client_folder, device_files

from tests.support.interpreters import micropython

IMAGE = ["alpha", "beta", "gamma", "delta", "state", "epsilon"]


def module(text: str, name: str = "webpubsub.some") -> Module:
    return Module(name, f"device/{name.replace('.', '/')}.py", text)


def reduced(text: str) -> str:
    """The source without CPython's branches; every line must keep its number."""
    changed = without_cpython(module(text)).text
    assert changed.count("\n") == text.count("\n")
    ast.parse(changed)
    return changed


def code(text: str) -> str:
    """A source without its layout."""
    return ast.unparse(ast.parse(text))


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ('if sys.implementation.name != "micropython":\n    a()\nb()', "pass\nb()"),
        ('if sys.implementation.name == "micropython":\n    a()\nelse:\n    b()', "if True: a()"),
        (
            'if sys.implementation.name != "micropython":\n    a()\n# why\nelse:\n    b()',
            "if True: b()",
        ),
        ('if not hasattr(gc, "mem_alloc"):\n    a()\nelif b:\n    c()', "if b: c()"),
        ('def f():\n    if not hasattr(gc, "mem_alloc"):\n        a()\n    elif b:\n        c()\n',
         "def f():\n    if b: c()"),
        ('if b:\n    c()\nelif not hasattr(gc, "mem_free"):\n    a()\n'
         "elif d:\n    e()\nelse:\n    f()",
         "if b: c()\nelif d: e()\nelse: f()"),
        ('if b:\n    c()\nelif not hasattr(gc, "mem_free"):\n    a()\nelse:\n    d()',
         "if b: c()\nelse: d()"),
        ('if b:\n    c()\nelif not hasattr(gc, "mem_free"):\n    a()', "if b: c()"),
        ('if b:\n    c()\nelif hasattr(gc, "mem_free"):\n    a()\nelse:\n    d()',
         "if b: c()\nelif True: a()"),
        ('x = gc.mem_free() if hasattr(gc, "mem_free") else None', "x = gc.mem_free()"),
        (
            "try:\n    from micropython import const\nexcept ImportError:\n\n"
            "    def const(value):\n        return value\n",
            "if True:\n    from micropython import const",
        ),
        ('_M = sys.implementation.name == "micropython"\nif not _M and b():\n    a()\n',
         '_M = sys.implementation.name == "micropython"\npass'),
    ],
)  # fmt: skip
def test_what_only_cpython_runs_goes(written: str, left: str) -> None:
    assert code(reduced(written)) == code(left)


@pytest.mark.parametrize(
    "written",
    [
        'if hasattr(os, "uname"):\n    a()\n',
        "try:\n    import esp32\nexcept ImportError:\n    a()\n",
        "try:\n    from micropython import const\nexcept OSError:\n    a()\n",
        "try:\n    from micropython import const\n    a()\nexcept ImportError:\n    b()\n",
        'if b() and sys.implementation.name != "micropython":\n    a()\n',
        "_M = b()\nif not _M:\n    a()\n",
        '_M = sys.implementation.name == "micropython"\n_M = b()\nif _M:\n    a()\n',
    ],
)
def test_what_is_not_known_stays(written: str) -> None:
    assert reduced(written) == written


def test_what_nothing_needs_any_more_goes() -> None:
    text = (
        "import sys\nimport time\nfrom .compat import const, other\n__all__ = ('a',)\n"
        '_M = sys.implementation.name == "micropython"\n_LIMIT = const(5)\n'
        "if not _M:\n    sys.exit()\n"
    )
    before = module(text)
    (after,) = without_leftovers([without_cpython(before)], [before])
    # `time` was unused before: it may be there for those who import from this module.
    assert code(after.text) == code(
        "pass\nimport time\nfrom .compat import other\npass\npass\n_LIMIT = const(5)\npass"
    )
    kept = module("from .compat import const\nx = [const(1)]\n")
    assert without_leftovers([kept], [kept]) == [kept]


TALKING = '''"""About.

Two lines."""

NOT_MOVED = "a text at the level of the module"


def f(host, also="a default stays here"):
    """A docstring stays here."""
    if host == "no text for people":
        raise ValueError("no answer from %s " "within %d s" % (host, 5))
    table = {"this is a key": "this is its value"}
    x = "%s.%s" % (host, 1)
    if host.startswith("looked at, not shown"):
        raise ValueError(
            "the longest of them, %s"
            # why
            % (host or "nobody we know of")
        )
    return "all of 100 % here" + x
'''


def test_texts_move_and_lines_stay() -> None:
    before = module(TALKING)
    ids = texts_of([before])
    assert set(ids) == {
        "no answer from %s within %d s",
        "this is its value",
        "the longest of them, %s",
        "nobody we know of",
        "all of 100 %% here",
    }
    after = without_texts(before, ids)
    assert after.text.count("\n") == TALKING.count("\n")
    for line in ("def f(", "    if host ==", "    x =", "    return"):
        places = [
            [number for number, text in enumerate(each.splitlines()) if text.startswith(line)]
            for each in (TALKING, after.text)
        ]
        assert places[0] == places[1], line
    by_id = {number: text for text, number in ids.items()}
    helpers = {"read_text": lambda number, values=(): by_id[number] % values}
    results = []
    for text in (TALKING, after.text.replace("from webpubsub.texts import read_text", "pass")):
        scope: dict[str, object] = dict(helpers)
        exec(compile(text, "f", "exec"), scope)
        function = scope["f"]
        assert callable(function)
        results.append([_outcome(function, word) for word in HOSTS])
    assert results[0] == results[1]


HOSTS = ["x", "", "no text for people", "looked at, not shown", "looked at, not shown here"]


def _outcome(function: object, word: str) -> str:
    assert callable(function)
    try:
        return str(function(word))
    except ValueError as error:
        return repr(error)


def test_the_import_of_the_function_takes_no_line() -> None:
    for text in (
        'x = 1\n\ndef f():\n    return "a text for people"\n',
        'def f():\n    return "a text for people"\n',
        '"""About."""\ndef f():\n    return "a text for people"\n',
    ):
        before = module(text)
        after = without_texts(before, texts_of([before]))
        for line in ("def f", "    return"):
            lines = [each.text.splitlines() for each in (before, after)]
            where = [[each.startswith(line) for each in one].index(True) for one in lines]
            assert where[0] == where[1]
        assert "from webpubsub.texts import read_text" in after.text
        ast.parse(after.text)


def test_the_file_of_the_texts_is_what_the_board_reads(tmp_path: Path) -> None:
    numbers = random.Random(3)
    texts = {f"text {n} of %d and {'ö' * numbers.randrange(40)}": n for n in range(700)}
    texts = {text: number * 11 for text, number in texts.items()}
    (tmp_path / "webpubsub").mkdir()
    (tmp_path / "webpubsub/texts.bin").write_bytes(packed(texts))
    code = (client_folder() / "texts.py").read_bytes()
    (tmp_path / "webpubsub/texts.py").write_bytes(code)
    wanted = {number: text % 5 for text, number in texts.items()}
    script = tmp_path / "script.py"
    script.write_text(
        "from webpubsub.texts import read_text\n"
        f"for number in {sorted(wanted)}:\n    print(read_text(number, 5))\n"
    )
    done = subprocess.run(
        [micropython(), str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == [wanted[number] for number in sorted(wanted)]
    with pytest.raises(ValueError, match="65,535"):
        packed({"x" * 70_000: 1})


def test_a_changed_text_changes_only_what_uses_it() -> None:
    one = module('def f():\n    return "the first of the texts"\n', "webpubsub.one")
    two = module('def f():\n    return "the second of the texts"\n', "webpubsub.two")
    ids = texts_of([one, two])
    other = texts_of([one, module(two.text.replace("second", "third"))])
    assert without_texts(one, ids) == without_texts(one, other)


STUB = "class Client:\n    public: int\n    def call(self, keyword: int = 1) -> None: ...\n"
CODE = """
import os
_FOLDED = const(5)
_limit = 7
class Client:
    public = 1
    def __init__(self, keyword):
        self._hidden = keyword
        self.by_name = getattr(self, "found_by_name")
        self.found_by_name = 1
    def _emit(self, name, **fields):
        pass
    def go(self, place):
        self._emit("came", field=place)
        return os.own(_FOLDED, _limit)
class Settings:
    def __init__(self):
        self.setting = 1
        self._own = 2
class WrongError(Exception):
    pass
class _QuietError(Exception):
    pass
def own():
    pass
"""


def test_private_is_what_nobody_else_knows() -> None:
    found = private_names([module(CODE)], [STUB], ["from x import go\n"])
    assert found == {"_limit", "_hidden", "by_name", "_emit", "_own", "_QuietError", "place",
                     "name", "fields"}  # fmt: skip


def test_words_of_strings_are_kept_where_a_name_may_be_looked_up() -> None:
    text = """
class A:
    alone = path = source = prose = on_one = one_end = plain = 0
    def f(self, x):
        use("alone"); use("a.path"); use("line\\nsource = 1\\n"); use("this is prose, with blanks")
        getattr(self, "on_" + x); setattr(self, "%s_end" % x, 1); getattr(self, x)
"""
    assert private_names([module(text)], [], []) & set(names_in(text)) >= {"prose", "plain"}
    kept = {"alone", "path", "source", "on_one", "one_end"}
    assert not private_names([module(text)], [], []) & kept


def test_strings_of_a_package_that_reuses_names_keep_those_that_it_looks_up() -> None:
    text = (
        "class A:\n    status = looked = 0\n"
        "    def f(me): return {'status': getattr(me, 'looked')}\n"
    )
    assert private_names([module(text)], [], []) == {"A", "f", "me"}
    reusing = module(text, "chargepoint.some")
    assert private_names([reusing], [], []) == {"A", "f", "me", "status"}
    # What it looks up, and what others define for it, is kept elsewhere, too.
    theirs = module("class B:\n    looked = renames = mine = 0\n")
    beside = [module("import os\nos.renames(getattr(1, 'looked'))\n", "chargepoint.some")]
    assert private_names([theirs], [], [], (), beside) == {"B", "mine"}


def test_no_module_has_one_name_for_two_things() -> None:
    made = prepare_sources(device_files())
    again = 0
    for built in made.modules:
        folder = client_folder().parent
        source = folder.joinpath(*built.path.split("/")[1:]).read_text("utf-8")
        used = names_in(source)
        new = {made.names[name] for name in used if name in made.names}
        assert len(new) == len(used & set(made.names)), built.name
        assert not new & (used - set(made.names)), built.name
        again += built.package == "chargepoint"
    assert again > 5
    # Some are given twice, and the map knows both.
    twice = set(made.map.names_of["chargepoint"]) & set(made.map.names)
    assert twice
    for name in twice:
        assert made.map.names[name] != made.map.names_of["chargepoint"][name]


@pytest.mark.parametrize("every", [1, 2])
def test_the_table_of_short_texts_is_called_as_nothing_else_is(every: int, tmp_path: Path) -> None:
    # With fewer names to give away, each is given to more.
    image = read_names(boards_folder() / "names" / "esp32.txt")
    (tmp_path / "names.txt").write_text("\n".join(image[::every]))
    made = prepare_sources(device_files(), Options(names=tmp_path / "names.txt"))
    tables: dict[str, int] = {}
    for built in made.modules:
        table = re.search(r'""";(\w+)=\(', built.text)
        if table is None:
            continue
        tables[built.package] = tables.get(built.package, 0) + 1
        tokens = list(tokenize.generate_tokens(io.StringIO(built.text).readline))
        after = [
            following.string
            for token, following in pairwise(tokens)
            if token.type == tokenize.NAME and token.string == table[1]
        ]
        assert sorted(after)[0] == "="
        assert set(after[1:]) == {"["}, built.name
    assert set(tables) == {"chargepoint", "firmware", "webpubsub"}


def test_renaming_reaches_every_place_and_no_string() -> None:
    text = (
        "import time as _t\n_X = const(5)\n\ndef f(_a, *, b=_X):\n    global _g\n"
        "    _g = f'{_a!r:>{b}} _a {{_a}} {x._X}'; x._X = _X  # _a\n    return {'_a': _g}, '_a'\n"
    )
    names = {"_t": "t1", "_X": "x1", "_a": "a1", "b": "b1", "_g": "g1"}
    changed = renamed(module(text), names).text
    assert changed == (
        "import time as t1\n_X = const(5)\n\ndef f(a1, *, b1=_X):\n    global g1\n"
        "    g1 = f'{a1!r:>{b1}} _a {{_a}} {x.x1}'; x.x1 = _X  # _a\n"
        "    return {'_a': g1}, '_a'\n"
    )
    back = {new: old for old, new in names.items()}
    assert rename_source(changed, back) == text
    odd = "x = 'ö\x0c\u2028'  # \x0b\n\x0cy = _a\n"
    assert rename_source(odd, names) == odd.replace("_a", "a1")


def test_no_name_begins_with_an_underscore_that_had_none() -> None:
    """Of a `const` with such a name nothing is left that another module could ask for."""
    image = ["_first", "_second", "third", "fourth", "__fifth__"]
    found = assign({"CONSTANT", "another"}, image, ())
    assert set(found.values()) == {"third", "fourth"}


def test_names_are_given_out_one_to_one_and_none_that_is_in_use() -> None:
    found = assign({"_one", "_two", "gamma"}, IMAGE, {"alpha"})
    assert set(found) == {"_one", "_two"}, "what the image has is free already"
    assert len(set(found.values())) == 2
    assert not set(found.values()) & {"alpha", "gamma", "state"}, "in use, taken, looked up"
    short = assign({"_a", "_longer", "_the_longest"}, ["one", "two"], ())
    assert set(short) == {"_longer", "_the_longest"}, "the dearest first"


def test_what_objects_have_gets_names_that_nobody_gives() -> None:
    image = ["listen", "channel", "SOCK_RAW", "mem32", "AP_IF", "is_not_set"]
    objects = ["_inbox", "_queue", "_keeper", "_sender"]
    found = assign([*objects, "_global"], image, (), objects)
    assert {found[name] for name in objects} == {"SOCK_RAW", "mem32", "AP_IF", "is_not_set"}
    assert found["_global"] in ("listen", "channel")
    names = prepare_sources(device_files()).names
    for name in ("_buffer", "_start", "_end"):
        assert not names[name].isalpha() or names[name] != names[name].lower()


def test_a_new_name_moves_few_others() -> None:
    image = [f"image{n}" for n in range(700)]
    names = {f"_name{n}" for n in range(500)}
    before = assign(names, image, ())
    moved = []
    for new in ("_another", "_one_more", "zzz", "_a"):
        after = assign(names | {new}, image, ())
        moved.append(sum(before[name] != after[name] for name in names))
    assert sum(moved) / len(moved) < 15, moved


def test_the_same_sources_give_the_same_build() -> None:
    files = device_files()
    once, again = build(files), build(list(reversed(files)))
    assert once.map is not None
    assert again.map is not None
    assert once.map.names == again.map.names
    assert once.map.texts == again.map.texts
    assert dict(once.files) == dict(again.files)


def test_the_map_is_one_to_one_and_survives_its_file(tmp_path: Path) -> None:
    found = prepare_sources(device_files()).map
    assert len(set(found.names.values())) == len(found.names) > 300
    path = tmp_path / "map.json"
    path.write_text(found.to_json())
    again = read_map(path)
    assert again == found
    assert again.stamp == found.stamp
    assert prepare_sources(device_files(), Options(lines=True)).map.stamp != found.stamp


@pytest.mark.parametrize("text", ["", "[]", '{"lines": true}', '{"lines": 1, "names": []}'])
def test_what_is_no_map(text: str, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(MapError, match="not a map"):
        read_map(path)
    with pytest.raises(MapError, match="cannot be read"):
        read_map(tmp_path / "nowhere.json")


def test_every_function_has_the_lines_of_the_source() -> None:
    found: BuildMap = prepare_sources(device_files()).map
    root = client_folder().parent.parent
    for path, functions in found.functions.items():
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        for function in functions:
            name = function.name.rpartition(".")[2]
            assert 1 <= function.first <= max(len(lines), 1)
            assert function.last <= max(len(lines), 1)
            if not name.startswith("<"):
                assert f"def {name}(" in lines[function.first - 1], f"{path}:{function.first}"


def test_the_contract_of_the_stubs_and_examples_is_kept() -> None:
    names = prepare_sources(device_files()).names
    for stub in stubs():
        public = {name for name in names_in(stub.read_text()) if not name.startswith("_")}
        assert not (public - listed_internal()) & set(names), stub.name
    assert not listed_public() & set(names)
    image = set(read_names(boards_folder() / "names" / "esp32.txt"))
    assert set(names.values()) <= image


def test_no_device_code_lists_names_at_run_time() -> None:
    """It would find the names of the build, and private ones among them."""
    for file in device_files():
        nodes = ast.walk(ast.parse(file.source.read_text(encoding="utf-8")))
        for node in nodes:
            listing = isinstance(node, ast.Name) and node.id in ("dir", "vars", "locals")
            listing |= isinstance(node, ast.Attribute) and node.attr == "__dict__"
            assert not listing, f"{file.source}: name what is wanted, in a tuple"


def test_names_that_run_out_are_no_failure(tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("# names\nadjust\nbetween\n")
    made = prepare_sources(device_files(), Options(names=few))
    assert {*made.names.values(), *made.modules_as.values()} >= {"adjust", "between"}
    for given in (made.map.names_of["chargepoint"], made.modules_as):
        assert len(set(given.values())) == len(given)
    others = {old: new for old, new in made.names.items() if new in made.map.names}
    assert len(set(others.values())) == len(others)
    with pytest.raises(HubtoolError, match=r"nowhere\.txt: cannot be read"):
        prepare_sources(device_files(), Options(names=tmp_path / "nowhere.txt"))


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "broken.py"
    source.write_text("x = 1\ndef f(:\n    pass\n")
    with pytest.raises(HubtoolError, match=r"broken\.py:2: SyntaxError: .*correct it") as caught:
        build([DeviceFile(source, "/lib/webpubsub/broken.py", True)])
    assert "\n" not in str(caught.value)
