"""The code that hubtool sends to boards, and what crosses: on MicroPython, without a board."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hubtool.board.on_board_code import FOLDER, call_of, literal, source_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.interpreters import micropython, micropython_environment


def run(code: str, folder: Path) -> list[Any]:
    """What the code prints on MicroPython, line by line, each a literal."""
    done = subprocess.run(
        [micropython(), "-X", "heapsize=64K", "-c", code],
        cwd=folder,
        env=micropython_environment(folder),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


def ask(folder: Path, name: str, *calls: tuple[Any, ...]) -> list[Any]:
    """Load a file of `on_board/` and call functions of it, as over the raw REPL."""
    return run("\n".join([source_of(name), *(call_of(*call) for call in calls)]), folder)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _TEXT | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=20, deadline=None)
@given(st.lists(_VALUES, min_size=1, max_size=20))
def test_values_cross_to_a_board_and_back(values: list[Any]) -> None:
    code = ["def same(value):\n return value", *(call_of("same", value) for value in values)]
    assert run("\n".join(code), FOLDER) == values


@pytest.mark.parametrize("value", [Path("/x"), 1.5, {1, 2}, [object()], (b"", bytearray())])
def test_what_is_no_literal_does_not_cross(value: object) -> None:
    with pytest.raises(TypeError, match="does not cross"):
        literal(value)


def test_a_text_that_looks_like_code_stays_a_text() -> None:
    text = "'); import os; os.remove('/main.py') #\n\"\"\""
    assert ast.literal_eval(literal(text)) == text
    assert "\n" not in call_of("f", text)


def test_files_are_written_hashed_and_removed(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5
    (tmp_path / "old").write_bytes(data)
    answers = ask(
        tmp_path,
        "files",
        ("make_folder", "new"),
        ("make_folder", "new"),
        ("begin_file", "new/it's"),
        ("add_to_file", b"aGVs"),
        ("add_to_file", b"bG8="),
        ("end_file",),
        ("read_file", "new/it's"),
        ("list_files", "new"),
        ("list_files", "nowhere"),
        ("hash_files", ["old", "new/it's", "nowhere"]),
        ("rename_file", "old", "new/it's"),
        ("remove_file", "new/it's"),
        ("remove_file", "new/it's"),
    )
    sums = [hashlib.sha256(content).hexdigest() for content in (data, b"hello")]
    assert answers[6:10] == [b"hello", ["it's"], [], [*sums, None]]
    assert {*answers[:6], *answers[10:]} == {None}
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ENOENT"):
        ask(tmp_path, "files", ("make_folder", "no/where"))


def test_the_firmware_tells_what_it_is(tmp_path: Path) -> None:
    [(version, bytecode, build, platform, machine)] = ask(tmp_path, "files", ("identity",))
    assert version >= (1, 23, 0)
    assert bytecode == 6
    assert (type(build), platform, type(machine)) == (str, sys.platform, str)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (None, {}),
        ("DATE = 1\nGROWTH = 44000\nsmall = 2\n", {"GROWTH": 44000}),
        ("raise RuntimeError\n", {}),
        ("half a file", {}),
    ],
)
def test_sizes_of_a_build(tmp_path: Path, content: str | None, answer: dict[str, int]) -> None:
    (tmp_path / "firmware").mkdir()
    if content is not None:
        (tmp_path / "firmware" / "build.py").write_text(content)
    assert ask(tmp_path, "build_values", ("build_values",)) == [answer]


def write_record(path: Path, content: object) -> None:
    line = json.dumps(content).encode()
    path.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")


SETTINGS = {"schema": 1, "generation": 7, "tls": {"ca_sha256": "ab"}}
SECRETS = {"schema": 1, "generation": 6, "token": "hunter2"}


@pytest.mark.parametrize(
    ("settings_record", "secrets_record", "answer"),
    [
        (SETTINGS, SECRETS, (1, 7, 1, 6, "ab")),
        (SETTINGS, None, None),
        (None, SECRETS, None),
        (SETTINGS, {"schema": 1}, None),
        ({**SETTINGS, "tls": 3}, SECRETS, None),
        ({**SETTINGS, "generation": "x"}, SECRETS, None),
        ([], SECRETS, None),
        ({**SETTINGS, "filler": "x" * 300}, SECRETS, None),
    ],
)
def test_a_slot_is_told_without_its_secrets(
    tmp_path: Path, settings_record: object, secrets_record: object, answer: tuple[Any, ...] | None
) -> None:
    for name, content in (("settings", settings_record), ("secrets", secrets_record)):
        if content is not None:
            write_record(tmp_path / f"{name}.a", content)
    assert ask(tmp_path, "settings_slots", ("describe_slot", ".", "a", 300)) == [answer]


@pytest.mark.parametrize("damage", [b"", b"{}", b"{}\n", b"x\n" + b"0" * 64 + b"\n"])
def test_a_damaged_record_is_none(tmp_path: Path, damage: bytes) -> None:
    write_record(tmp_path / "secrets.a", SECRETS)
    (tmp_path / "settings.a").write_bytes(damage)
    assert ask(tmp_path, "settings_slots", ("describe_slot", ".", "a", 300)) == [None]
