"""Each row of the tables: it finds what it is for, lets the remedy through, and is true."""

from __future__ import annotations

import ast
import builtins
import json
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.support.interpreters import micropython

from .__main__ import main
from .checker import check
from .rules import ATTRIBUTES, BUILTINS, HOOKS, KEYWORDS, MODULES, RULES, Absent, Rule
from .sources import snippets, sources

# Samples of what the other tables name; they fail where it is not there.
KEYWORD_SAMPLES = {
    ("dumps", "indent"): "import json\njson.dumps([], indent=1)",
    ("dumps", "ensure_ascii"): "import json\njson.dumps([], ensure_ascii=False)",
    ("dumps", "sort_keys"): "import json\njson.dumps([], sort_keys=True)",
    ("from_bytes", "signed"): "int.from_bytes(b'\\xff', 'big', signed=True)",
    ("to_bytes", "signed"): "(-1).to_bytes(2, 'big', signed=True)",
    ("int", "base"): "int('1', base=2)",
    ("print", "flush"): "print(end='', flush=True)",
    ("sum", "start"): "sum([1], start=2)",
    ("zip", "strict"): "zip([], [], strict=True)",
    ("split", "maxsplit"): "'a b'.split(maxsplit=1)",
    ("encode", "encoding"): "'a'.encode(encoding='utf-8')",
    ("decode", "encoding"): "b'a'.decode(encoding='utf-8')",
}
HOOK_SAMPLES = {
    "__init_subclass__": "class A:\n    def __init_subclass__(c): c.x = 1\n"
    "class B(A):\n    pass\nassert B.x",
    "__set_name__": "class D:\n    def __set_name__(self, owner, name): self.name = name\n"
    "class A:\n    d = D()\nassert A.d.name == 'd'",
    "__class_getitem__": "class A:\n    def __class_getitem__(c, i): return c\nA[int]",
}
# Something of each type that device code has in its hands.
OBJECTS = (
    "['', b'', bytearray(), 1, 1 << 70, 1.5, memoryview(b''), OSError(2), ValueError(), OBJECTS,"
    " type('A', (), {}), len, lambda: 1, {}, [], (), set(), sys.implementation]"
)
RUN = """
import json, sys
def OBJECTS(): pass
def attempt(code):
    try:
        exec(code, {})
    except BaseException as error:
        return type(error).__name__
    return ""
"""


def ask(program: str) -> object:
    """What a program prints as JSON on MicroPython."""
    done = subprocess.run(
        [micropython(), "-c", RUN + program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@cache
def version() -> tuple[int, ...]:
    """Of the MicroPython that the tests have."""
    shown = ask("print(json.dumps(list(sys.implementation.version[:2])))")
    assert isinstance(shown, list)
    return tuple(shown)


def is_there(since: str | None) -> bool:
    """Whether our MicroPython is new enough for something."""
    if since is None:
        return False
    return version() >= tuple(map(int, since.partition(" ")[0].split(".")))


def compiles(sample: str) -> bool:
    """Whether this CPython understands a sample: it may be older than what it shows."""
    try:
        ast.parse(sample)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_finds_its_sample_and_lets_the_remedy_through(rule: Rule) -> None:
    if not compiles(rule.bad):
        pytest.skip("this Python is older than what the rule is about")
    found = check(rule.bad)
    assert [finding.text.partition(":")[0] for finding in found] == [rule.name]
    assert found[0].text.endswith(rule.remedy)
    assert ("no MicroPython has it" in found[0].text) == (rule.since is None)
    assert check(rule.good) == []


def test_the_rules_are_true() -> None:
    shown = ask(
        f"print(json.dumps([[attempt(c) for c in p] for p in {[r[4:] for r in RULES]!r}]))"
    )
    assert isinstance(shown, list)
    for rule, (bad, good) in zip(RULES, shown, strict=True):
        assert good == "", f"{rule.name}: the remedy does not run: {good}"
        if rule.name == "exit":
            continue  # it is there; what becomes of the board afterwards is what differs
        assert (bad == "") == is_there(rule.since), f"{rule.name}: {bad or 'runs'}"


def test_the_names_are_true() -> None:
    names = {**ATTRIBUTES, **dict.fromkeys(("startswith", "__name__"), Absent("1.0", ""))}
    found = ask(
        f"print(json.dumps([n for n in {list(names)!r} if any(hasattr(o, n) for o in {OBJECTS})]))"
    )
    assert isinstance(found, list)
    assert {"startswith", "__name__"} <= set(found), "the question finds nothing"
    for name in found:
        assert is_there(names[name].since), f"{name} is there"


def test_the_builtins_are_true() -> None:
    shown = ask(
        "import builtins\n"
        f"print(json.dumps([n for n in {list(BUILTINS)!r} if hasattr(builtins, n)]))"
    )
    assert shown == []
    old = {"ExceptionGroup"}  # newer than the oldest CPython that runs the tests
    assert {name for name in BUILTINS if not hasattr(builtins, name)} <= old


@pytest.mark.parametrize("key", KEYWORDS)
def test_keywords_are_found_and_true(key: tuple[str, str]) -> None:
    sample = KEYWORD_SAMPLES[key]
    assert [f.text.partition(":")[0] for f in check(sample)] == [f"{key[0]}({key[1]}=)"]
    shown = ask(f"print(json.dumps(attempt({sample!r})))")
    assert (shown == "") == is_there(KEYWORDS[key].since), shown or "runs"


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_found_and_true(name: str) -> None:
    sample = HOOK_SAMPLES[name]
    assert [f.text.partition(":")[0] for f in check(sample)] == [name]
    shown = ask(f"print(json.dumps(attempt({sample!r})))")
    assert (shown == "") == is_there(HOOKS[name].since), shown or "runs"


def test_the_names_of_modules_are_still_there() -> None:
    # Those that are the same in all ports; a typing error in the table would let names through.
    common = {"array", "asyncio", "binascii", "builtins", "collections", "deflate", "errno", "gc"}
    common |= {"hashlib", "io", "json", "random", "select", "struct"}
    wanted = {name: MODULES[name] for name in common}
    shown = ask(
        f"wanted = {wanted!r}\n"
        "print(json.dumps([m + '.' + n for m in wanted for n in wanted[m].split()\n"
        "                  if not hasattr(__import__(m), n)]))"
    )
    assert isinstance(shown, list)
    # The ESP32's build has these two, the unix one has not.
    assert set(shown) <= {"io.BufferedWriter", "select.select"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import enum", "module enum: not known to be in MicroPython 1.23"),
        ("from asyncio import Queue", "asyncio.Queue: not known"),
        ("import os\nos.getenv('A')", "os.getenv: not known"),
        ("import os as o\no.getenv('A')", "os.getenv: not known"),
        ("from errno import EPIPE", "errno.EPIPE: not known"),
        (
            "def f():\n    import sys\n    return sys.implementation._build",
            "._build: Micro",
        ),
        ("KINDS = ('a', 'b')\nx = ''\nx.startswith(KINDS)", "tuple-prefix"),
        ("KINDS = const(('a', 'b'))\nx = ''\nx.endswith(KINDS)", "tuple-prefix"),
        ("try:\n    pass\nexcept TimeoutError:\n    pass", "TimeoutError: no MicroPython has it"),
        ("x = 1\ny = f'{x}' f'{x}'", "f-string beside a literal"),
        ("x = 1\ny = f'{x}' '{x}'", "f-string beside a literal"),
        ("x = 1\ny = rf'{x}'", "raw f-string"),
        ("raise SystemExit(1)", "exit: "),
        ("import sys\nsys.exit()", "exit: "),
    ],
)
def test_other_findings(source: str, said: str) -> None:
    found = check(source)
    assert len(found) == 1, found
    assert said in found[0].text
    assert found[0].line == source.count("\n", 0, source.rfind(source.splitlines()[-1])) + 1 or (
        "except" in source
    )


@pytest.mark.parametrize(
    "source",
    [
        # The code asks whether it is there.
        "try:\n    import enum\nexcept ImportError:\n    enum = None",
        "import os\nif hasattr(os, 'getenv'):\n    os.getenv('A')",
        "import sys\nbuild = getattr(sys.implementation, '_build', '')",
        "import sys, time\nif sys.implementation.name != 'micropython':\n    time.monotonic()",
        # Names of its own.
        "class TimeoutError(OSError):\n    pass\ntry:\n    pass\nexcept TimeoutError:\n    pass",
        "class A:\n    title = ''\nA().title",
        "from webpubsub import anything",
        "from . import anything",
        "x = 'a' 'b'\ny = f'{x}', f'{x}'",
    ],
)
def test_what_is_right_is_left_alone(source: str) -> None:
    assert check(source) == []


def test_what_hubtool_sends_is_looked_at() -> None:
    text = (
        "_CODE = '''\nimport os\nos.getenv('A')\n'''\n"
        "def f(link, path):\n"
        "    link.run(_CODE)\n"
        "    link.evaluate(f'print({path!r}.startswith((1, 2)))', doing='x')\n"
        "    subprocess.run('ls')\n"
    )
    found = [
        (source.line + finding.line - 1, finding.text.partition(":")[0])
        for source in snippets(Path("x.py"), text)
        for finding in check(source.text)
    ]
    assert found == [(3, "os.getenv"), (7, "tuple-prefix")]


def test_all_device_code_keeps_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
    paths = {source.path.name for source in sources()}
    assert {"websocket.py", "settings.py", "files.py", "settings_slots.py"} <= paths
    assert {"build_values.py", "reset.py", "client.md", "ten_lines.py"} <= paths
