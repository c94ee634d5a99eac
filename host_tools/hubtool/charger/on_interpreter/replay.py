"""Runs on MicroPython: plays a record back to a charging point in virtual time.

What goes out is written as a record is; `hubtool` compares the two. Neither network nor clock is
used: the session and the core know none, and the hardware is simulated.
"""

import json
import os
from binascii import a2b_base64

from chargepoint import ChargePoint, console, simulated
from chargepoint.clock import Clock

# Of its real key the record has nothing.
_KEY = "0123456789abcdef"
# So long after a moment of the record the same may happen here, in ms: timers have whole seconds.
_LATE = 2000
# What the record has so soon after it was due here is that.
_SOON = 1000
_PAST = 1 << 60


class Player:
    """One power-up with all that follows, until the next one.

    header: of the record, a dict. events: [ms, kind, value] each. folder: for its flash, empty.
    out: function(value) that writes what goes out."""

    def __init__(self, header, events, folder, out):
        self.now = 0
        self._header = header
        self._events = events
        self._folder = folder
        self._out = out
        self._place = 0  # in events
        self._ids = {}  # of own calls: those of the record -> those of here
        self._late = []  # (ms, text) of answers to calls that were sent later here
        self._known = {"profile": 0, "key": False}
        self._chances = [value for _, kind, value in events if kind == "chance"]
        self._tick_at = self._send_at = _PAST
        self._resetting = False
        self._look()
        simulated.ticks_ms = self.ticks
        self.desk = console.Desk(folder, header["connectors"], self._make, self._say)
        self.desk.hardware.reset = self._reset
        self.point = None

    def ticks(self):
        """Virtual time, in ms."""
        return self.now

    def note(self, kind, value):
        """Write what goes out.

        kind: str. value: of it."""
        self._out([self.now, kind, value])

    def _look(self):
        # Own calls of the record, by action, and what they were answered.
        self._calls, self._answers = {}, {}
        for place, (at, kind, text) in enumerate(self._events):
            if kind == "sent":
                message = json.loads(text)
                if message[0] == 2:
                    self._calls.setdefault(message[2], []).append((at, message[1]))
                    self._answers[message[1]] = []
            elif kind == "received":
                id_ = _answered(text)
                if id_ in self._answers:
                    self._answers[id_].append((place, at, text))

    def _say(self, line):
        self.note("printed", line)

    def _reset(self, hard):
        self.note("reset", hard)
        self._resetting = True

    def _make(self, hardware):
        options = dict(self._header["options"])
        if self._known["key"]:
            options["key"] = _KEY
        point = ChargePoint(
            "wss://replay/",
            self._header["charger"],
            hardware,
            connectors=self._header["connectors"],
            folder=self._folder,
            clock=Clock(self.ticks),
            profile=self._known["profile"],
            highest=3,
            **options,
        )
        point.session._backoff.next = self._chance
        return point

    def _chance(self):
        return self._chances.pop(0) if self._chances else 10

    # time

    def play(self):
        """All of it."""
        for at, kind, value in self._events:
            self._advance(at)
            self._place += 1
            if self._alive() or kind == "power":
                event = getattr(self, "_on_" + kind, None)
                if event:
                    event(value)
        self._advance(self.now + _LATE)

    def _alive(self):
        return self.point and not self._resetting

    def _advance(self, to):
        # What is due until then, unless the record has its moment.
        while True:
            at, what = to, None
            if self._alive():
                if self._tick_at <= at:
                    at, what = self._tick_at, self._tick
                if self._send_at < at:
                    at, what = self._send_at, self._send
            if self._late and self._late[0][0] < at:
                at, what = self._late[0][0], self._answer
            if what is None:
                break
            if what == self._tick and self._follows("tick", at):
                self._tick_at = _PAST
            elif what == self._send and self._follows("sent", at):
                self._send_at = _PAST
            else:
                self.now = max(self.now, at)
                what()
        self.now = max(self.now, to)

    def _follows(self, wanted, at):
        # Whether the record has such an event, so soon that it is this one.
        for place in range(self._place, len(self._events)):
            when, kind, _ = self._events[place]
            if when > at + _SOON or kind == "power":
                return False
            if kind == wanted:
                return True
        return False

    def _tick(self):
        wait = 1
        try:
            wait = self.point.core.tick()
        except Exception:  # noqa: BLE001 as the shell does
            self.point.session.failures += 1
        self._tick_at = self.now + wait * 1000
        self._send_at = min(self._send_at, self.now)

    def _send(self):
        session, credentials = self.point.session, self.point.uplink._credentials
        self._send_at = _PAST
        session.leaving = credentials.changed
        if not session.online or session.dead or (credentials.changed and session.idle):
            return  # the record has the end of this connection
        text = session.next()
        if text is None:
            self._send_at = self.now + session.wait() * 1000
            return
        self.note("sent", text)
        self._expect(text)
        session.sent()
        self._send_at = self.now

    def _expect(self, text):
        kind, id_, action = json.loads(text)[:3]
        calls = self._calls.get(action) if kind == 2 else None
        if calls:
            at, recorded = calls.pop(0)
            self._ids[recorded] = id_
            for place, when, answer in self._answers[recorded]:
                if place < self._place:
                    # It is later here: the answer comes as long after the call as it did there.
                    self._late.append((self.now + when - at, answer.replace(recorded, id_)))
            self._late.sort(key=lambda each: each[0])

    def _answer(self):
        self._receive(self._late.pop(0)[1])

    def _receive(self, text):
        if self._alive() and self.point.session.online:
            self.point.session.received(text.encode())
            self._wake()

    def _wake(self):
        self._tick_at = self._send_at = self.now

    # what came in

    def _on_power(self, known):
        self._known = known
        if self.point:
            if not self._resetting:
                # It may come a little later here.
                self._advance(self.now + _LATE)
            self.point.session.lost()
        self._resetting = False
        self._late = []
        self.desk.start()
        self.point = self.desk.point
        self._wake()

    def _on_tick(self, _value):
        self._tick()

    def _on_sent(self, _text):
        self._send()

    def _on_typed(self, line):
        self.desk.typed(line)
        self._wake()

    def _on_connected(self, _value):
        credentials = self.point.uplink._credentials
        credentials.changed = False
        credentials.connected()
        self.point.session.connected()
        self._send_at = self.now

    def _on_lost(self, _value):
        if self.point.session.online:
            self.point.session.lost()
            self._wake()

    def _on_received(self, text):
        recorded = _answered(text)
        if recorded not in self._answers:
            self._receive(text)
        elif recorded in self._ids:
            self._receive(text.replace(recorded, self._ids[recorded]))


def _answered(text):
    # The id of the call that a text answers; None when it answers none.
    try:
        message = json.loads(text)
        if isinstance(message, list) and message[0] in (3, 4) and isinstance(message[1], str):
            return message[1]
    except (ValueError, IndexError):
        pass
    return None


def _clear(folder):
    for name in os.listdir(folder):
        os.remove(folder + "/" + name)


def main():
    """As CHARGER says: the record, an empty folder, and where to write what goes out."""
    given = json.loads(os.getenv("CHARGER"))
    lives = []
    with open(given["record"]) as file:
        for line in file:
            value = json.loads(line)
            if isinstance(value, dict):
                lives.append((value, []))
            else:
                lives[-1][1].append(value)
    with open(given["out"], "w") as file:

        def out(value):
            file.write(json.dumps(value) + "\n")

        for header, events in lives:
            _clear(given["folder"])
            for name, text in header["files"].items():
                with open(given["folder"] + "/" + name, "wb") as flash:
                    flash.write(a2b_base64(text))
            out(header)
            Player(header, events, given["folder"], out).play()


main()
