"""A charging point, a driver, a central system, and flash whose power can go; on CPython.

For the property-based test: whatever happens in it, `World.check` says what must hold.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema
import ocpp
import pytest
from chargepoint import storage as storage_module
from webpubsub import journal as journal_module
from webpubsub.journal import number_of

HERE = Path(__file__).parent
CONNECTORS = (1, 2)
WH_PER_SECOND = 3
_SCHEMAS = Path(ocpp.__file__).parent / "v16" / "schemas"
_validators: dict[str, Any] = {}


def rig_module() -> ModuleType:
    """whole_rig, as the scripts that run on MicroPython import it."""
    for folder in (HERE, HERE.parent / "support" / "device"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    return importlib.import_module("whole_rig")


def validate(name: str, payload: Any) -> None:
    """Check a payload by the official schema; `name` as that is called there."""
    if name not in _validators:
        text = (_SCHEMAS / f"{name}.json").read_text(encoding="utf-8-sig")
        _validators[name] = jsonschema.Draft4Validator(json.loads(text))
    _validators[name].validate(payload)


class PowerCut(BaseException):
    """The power went: nothing on a board runs on after that."""


class _File:
    def __init__(self, flash: Flash, path: str, mode: str) -> None:
        self._flash, self._path, self._mode = flash, path, mode
        self._at = 0
        if mode == "rb":
            self._data = bytearray(flash.file(path))
        else:
            self._data = bytearray(flash.files.get(path, b"") if mode == "ab" else b"")
            self._start = len(self._data)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._mode != "rb" and kind is None:
            self.flush()

    def seek(self, at: int, whence: int = 0) -> int:
        self._at = at + (len(self._data) if whence == 2 else 0)
        return self._at

    def tell(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        part = bytes(self._data[self._at : end])
        self._at += len(part)
        return part

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def flush(self) -> None:
        half = self._start + (len(self._data) - self._start) // 2
        if bytes(self._data) != self._flash.files.get(self._path):
            self._flash.change(self._path, bytes(self._data[:half]), bytes(self._data))


class Flash:
    """A file system in memory.

    Attributes:
        files: what is in it.
        left: how many more writes get through; None: all.
        torn: whether half of the one after that is there, too.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.left: int | None = None
        self.torn = False

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Let the charging point use it."""
        for module in (journal_module, storage_module):
            patch.setattr(module, "open", self.open, raising=False)
            patch.setattr(module, "rename", self.rename)
            patch.setattr(module, "remove", self.remove)
            patch.setattr(module, "sync", bool)
        folders = SimpleNamespace(mkdir=lambda _: None)
        patch.setattr(storage_module, "os", folders)

    def file(self, path: str) -> bytes:
        if path not in self.files:
            raise OSError(2, "ENOENT")
        return self.files[path]

    def open(self, path: str, mode: str = "rb") -> _File:
        return _File(self, path, mode)

    def _count(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0

    def change(self, path: str, half: bytes, data: bytes) -> None:
        if self._count():
            if self.torn:
                self.files[path] = half
            raise PowerCut
        self.files[path] = data

    def rename(self, old: str, new: str) -> None:
        if self._count():
            raise PowerCut
        self.files[new] = self.files.pop(old)

    def remove(self, path: str) -> None:
        if path in self.files:
            if self._count():
                raise PowerCut
            del self.files[path]


class Central:
    """A central system that keeps bills. It may see a start twice, and then gives another id.

    Attributes:
        starts: by id: (connector, register, idTag).
        stops: by the same three: the register at the end.
    """

    def __init__(self) -> None:
        self.starts: dict[int, tuple[int, int, str]] = {}
        self.stops: dict[tuple[int, int, str], int] = {}
        self.by_id: dict[int, int] = {}

    def take(self, action: str, payload: dict[str, Any], status: str) -> dict[str, Any]:
        """Deal with a call; returns the payload of the answer."""
        if action == "Authorize":
            return {"idTagInfo": {"status": status}}
        if action == "StartTransaction":
            # 0 and negative ids are ids.
            id_ = len(self.starts) - 1
            assert id_ not in self.starts
            key = payload["connectorId"], payload["meterStart"], payload["idTag"]
            self.starts[id_] = key
            return {"transactionId": id_, "idTagInfo": {"status": status}}
        if action == "StopTransaction":
            key = self.starts[payload["transactionId"]]
            meter = payload["meterStop"]
            assert meter >= key[1], (key, payload)
            known = self.by_id.setdefault(payload["transactionId"], meter)
            assert known == meter, ("another stop of the same", payload, known)
            self.stops[key] = max(self.stops.get(key, 0), meter)
        if action == "MeterValues" and "transactionId" in payload:
            assert self.starts[payload["transactionId"]][0] == payload["connectorId"], payload
        if action in ("Heartbeat", "BootNotification"):
            return {"currentTime": "2026-12-01T08:00:00Z", "interval": 3600, "status": "Accepted"}
        return {}

    def billed(self) -> int:
        """Wh of all transactions together."""
        return sum(stop - key[1] for key, stop in self.stops.items())


class World:
    """All of it; see the steps in test_properties."""

    def __init__(
        self, patch: pytest.MonkeyPatch, journal: int, resume: bool, connects: bool, **keys: str
    ) -> None:
        self.flash = Flash()
        self.flash.patch(patch)
        self.module = rig_module()
        self.central = Central()
        self.box = self.module.Meter()
        self.box.registers = dict.fromkeys(CONNECTORS, 1000)
        self.cable = dict.fromkeys(CONNECTORS, False)
        self.wants = dict.fromkeys(CONNECTORS, False)
        self.faults: dict[int, str | None] = dict.fromkeys(CONNECTORS)
        self.options = {"journal": journal, "resume": resume}
        self.connects = connects
        self.keys: dict[str, str] | None = keys
        self.boots = 0
        self.online = False
        self.asked: dict[str, str] = {}
        self.stored: set[int] = set()  # numbers of messages whose answer is on the flash
        self.answered: set[int] = set()
        self.last = 0
        self.failed: dict[int, int] = {}  # by number: how often it was answered with an error
        self.power_up()

    # power

    def power_up(self) -> None:
        """Begin anew with what is on the flash."""
        self.flash.left = None
        self.boots += 1
        self.online = False
        self.answered.clear()
        # What was answered, and the flash does not know that, comes again.
        self.last = max(self.stored, default=0)
        self.box.resets = []
        self.box.amperes = {}
        self.rig = self.module.Rig(
            "/charge", 2, self.box, self.boots, keys=self.keys, **self.options
        )
        self.keys = None
        for connector in CONNECTORS:
            if self.faults[connector]:
                self.rig.core.fault(connector, self.faults[connector])
            if self.cable[connector]:
                self.rig.core.plugged(connector)
            if self.wants[connector]:
                self.rig.core.ready(connector)
        if self.connects:
            self.connect()

    def cut_after(self, writes: int, torn: bool) -> None:
        """Let the power go at a write to come."""
        self.flash.left, self.flash.torn = writes, torn

    def run(self, step: tuple[Any, ...]) -> None:
        """Do one step, and what follows when the power goes in it."""
        try:
            getattr(self, step[0])(*step[1:])
            self.time(1)
        except PowerCut:
            self.power_up()
        if self.box.resets:
            self.power_up()
        self.check()

    def power_cut(self) -> None:
        """Let it go now."""
        raise PowerCut

    # the driver

    def plug(self, connector: int) -> None:
        self.cable[connector] = True
        self.rig.core.plugged(connector)

    def unplug(self, connector: int) -> None:
        self.cable[connector] = self.wants[connector] = False
        self.rig.core.unplugged(connector)

    def ready(self, connector: int, wants: bool) -> None:
        self.wants[connector] = wants
        self.rig.core.ready(connector, wants)

    def tag(self, connector: int, id_tag: str) -> None:
        self.rig.core.tag(connector, id_tag)

    def fault(self, connector: int, code: str | None) -> None:
        self.faults[connector] = code
        if code:
            self.rig.core.fault(connector, code, "x" * 60)
        else:
            self.rig.core.cleared(connector)

    # time

    def time(self, seconds: int) -> None:
        """Let time pass: what is closed counts."""
        for _ in range(seconds):
            for connector, closed in self.box.is_closed.items():
                if closed:
                    self.box.registers[connector] += WH_PER_SECOND
            self.rig.ms += 1000
            self.rig.core.tick()

    # the connection

    def connect(self) -> None:
        if not self.online:
            self.online = True
            self.rig.session.connected()

    def lose(self) -> None:
        if self.online:
            self.online = False
            self.rig.session.lost()

    def ask(self, action: str, payload: dict[str, Any]) -> None:
        """A call of the central system; what answers it is looked at when it is sent."""
        if not self.online:
            return
        if payload.get("transactionId") == "any":
            payload = {"transactionId": max(self.central.starts, default=0)}
        id_ = f"c{len(self.asked)}"
        self.asked[id_] = action
        self.rig.give(2, id_, action, payload)

    def talk(self, what: str = "", how: str = "ok") -> None:
        """Answer the calls of the charging point; the first whose name begins so in this way."""
        while self.online:
            message = self.rig.send()
            if message is None:
                return
            if message[0] != 2:
                self._answer_came(message)
            elif how != "ok" and message[2].startswith(what):
                self._call_came(message, how)
                return
            else:
                self._call_came(message, "ok")

    def _answer_came(self, message: list[Any]) -> None:
        action = self.asked[message[1]]
        if message[0] == 3:
            validate(action + "Response", message[2])
        else:
            assert message[0] == 4, message
            assert message[2] != "InternalError", message

    def _call_came(self, message: list[Any], how: str) -> None:
        _, id_, action, payload = message
        validate(action, payload)
        number = 0
        queue = self.rig.queue
        if action in ("StartTransaction", "StopTransaction") or self._is_of_queue():
            number = queue._flying  # noqa: SLF001 what the order and the repeats are told by
            assert number >= self.last, ("out of order", action, number, self.last)
            self.last = number
            assert number not in self.stored, ("again", action, payload)
        fails = how in ("error", "nonsense") and action != "BootNotification"
        if fails and number and self.failed.get(number, 0) >= 2:
            fails, how = False, "ok"  # for good would be another bill
        if how == "error" and fails:
            self.failed[number] = self.failed.get(number, 0) + 1
            self.rig.give(4, id_, "InternalError", "", {})
            return
        if how == "nonsense" and fails and action in ("StartTransaction", "Authorize"):
            self.failed[number] = self.failed.get(number, 0) + 1
            self.rig.give(3, id_, {"idTagInfo": 5, "transactionId": "x"})
            return
        status = "Blocked" if how == "blocked" else "Accepted"
        # One that never was on the flash is gone with the power, and so is its number.
        known = number and number not in map(number_of, queue._journal.memory)  # noqa: SLF001
        answer = self.central.take(action, payload, status)
        if how == "lost":
            self.lose()
            return
        if how == "late":
            self.time(35)
            self.rig.session.next()  # the time is over
        self.rig.give(3, id_, answer)
        if how == "twice":
            self.rig.give(3, id_, answer)
        if how != "late" and known:
            self.answered.add(number)
            # That values were answered is written with what comes next; all else at once.
            if action != "MeterValues" or not queue._journal.dirty:  # noqa: SLF001
                self.stored |= self.answered

    def _is_of_queue(self) -> bool:
        return bool(self.rig.queue._flying)  # noqa: SLF001

    # what must hold

    def check(self) -> None:
        """After each step."""
        core, queue = self.rig.core, self.rig.queue
        running = {each.local for each in core.connectors if each.local is not None}
        assert running == {each.local for each in queue.open}
        assert queue.waiting >= 0
        for number in CONNECTORS:
            connector = core.connector(number)
            assert bool(self.box.is_closed.get(number)) == connector.closed
            assert connector.plugged == self.cable[number]
            assert connector.fault == self.faults[number]
            assert connector.status == connector.status_now()
            assert self.box.amperes.get(number, 0) == connector.amperes
            may = (
                connector.plugged
                and connector.wants
                and connector.local is not None
                and connector.amperes
                and not connector.fault
                and not connector.blocked
            )
            assert connector.closed == bool(may), vars(connector)
            if connector.local is None and not connector.operative and not connector.fault:
                assert connector.status == "Unavailable"
        billed = self.central.billed()
        assert billed <= sum(self.box.registers.values()) - 1000 * len(CONNECTORS)

    def end(self) -> None:
        """Stop all, deliver all: bills and meters agree."""
        self.flash.left = None
        for number in CONNECTORS:
            self.fault(number, None)
        self.connect()
        for number in CONNECTORS:
            connector = self.rig.core.connector(number)
            self.rig.core.stop(connector, "Other")
            self.unplug(number)
        self.check()
        for _ in range(400):
            self.talk()
            if not self.rig.queue.waiting:
                break
            self.time(10)
        assert self.rig.queue.waiting == 0
        assert self.central.billed() == sum(self.box.registers.values()) - 1000 * len(CONNECTORS)
        # Nothing is left for another power-up either.
        self.power_up()
        assert self.rig.queue.waiting == 0
        assert self.rig.queue.open == []
