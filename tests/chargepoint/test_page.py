"""docs/chargepoint.md: its example runs, its commands do what they show, its table is complete."""

from __future__ import annotations

import re
import sys
import types

import pytest
from chargepoint.configuration import Configuration
from chargepoint.opening import assemble

from tests.support.interpreters import DEVICE, ROOT, micropython
from tests.support.transcripts import Reader, is_possible

PAGE = (ROOT / "docs" / "chargepoint.md").read_text(encoding="utf-8")


class Storage:
    """Nothing was kept."""

    def load(self, name):
        return None


@pytest.mark.skipif(not is_possible(), reason="the page's commands need a POSIX shell")
def test_what_the_page_shows_is_what_happens(tmp_path, free_port):
    reader = Reader(tmp_path, DEVICE, micropython(), free_port)
    try:
        assert reader.follow(PAGE.replace("<!-- test: esp32 -->\n", ""), "docs/chargepoint.md") > 0
    finally:
        reader.close()


def test_every_key_is_there_with_default_and_access():
    configuration = Configuration(Storage())
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", PAGE, re.MULTILINE))
    keys = configuration.keys()
    for key in keys:
        text = configuration.text(key)
        access = "R" if configuration.is_read_only(key) else "RW"
        assert rows[key] == (f"`{text}` | {access}" if text else f" | {access}"), key
    listed = re.findall(r"^\| (\w+) \| .* \| RW? \|$", PAGE, re.MULTILINE)
    assert sorted(listed) == keys


def test_every_option_is_there():
    with pytest.raises(TypeError, match="unknown option: nonsense"):
        assemble(None, "ws://x", "CP", None, {"nonsense": 1})
    part = PAGE.split("## Options of ChargePoint")[1].split("##")[0]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", part, re.MULTILINE))))
    stub = (DEVICE / "chargepoint" / "point.pyi").read_text(encoding="utf-8")
    assert named == set(re.findall(r'^        "(\w+)":', stub, re.MULTILINE))


class Pin:
    """A pin of a board that is not there."""

    IN, OUT, PULL_UP, IRQ_RISING = range(4)
    made: dict[int, Pin] = {}

    def __init__(self, number, *_, value=1):
        self.made[number] = self
        self.level = value

    def irq(self, handler, _):
        self.handler = handler

    def value(self, *level):
        if level:
            self.level = int(level[0])
        return self.level


def test_the_example_charges(tmp_path, monkeypatch):
    source = PAGE.split("<!-- test: esp32 -->\n```python\n")[1].split("```")[0]
    machine = types.ModuleType("machine")
    machine.Pin, machine.reset = Pin, lambda: None
    monkeypatch.setitem(sys.modules, "machine", machine)
    source = source.replace('model="Box 1")', f'model="Box 1", folder={str(tmp_path)!r})')
    names = {"__name__": "example"}
    exec(compile(source, "example", "exec"), names)
    point, box = names["point"], names["box"]
    point.plugged(1)
    point.ready(1)
    point.core.prepare(point.core.connector(1), "T1")
    assert (Pin.made[25].level, Pin.made[26].level) == (1, 1)
    box.pulse(None)
    point.tag(1, "T1")
    assert (Pin.made[25].level, Pin.made[26].level) == (0, 0)
    assert point.queue.waiting == 2
