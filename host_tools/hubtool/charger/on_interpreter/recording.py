"""Runs on MicroPython: writes all that comes in from both sides of a charging point, and goes out.

One line of JSON for each: [ms since power-up, kind, value]. What was secret is not in it: neither
the credentials' file nor what a ChangeConfiguration has for AuthorizationKey.
"""

import json
import os
from binascii import b2a_base64

from webpubsub.stream import ticks_diff, ticks_ms

VERSION = 1
_LARGEST = 65536
# What is no state, and what is a secret.
_LEFT_OUT = ("in-use", "roots.der", "credentials.json", "credentials.json.new")
_WITHHELD = "authorizationkey"


def snapshot(folder):
    """What is on the flash at power-up: name -> base64.

    folder: str."""
    found = {}
    for name in os.listdir(folder):
        if name in _LEFT_OUT:
            continue
        try:
            with open(folder + "/" + name, "rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError:
            continue
        if len(data) <= _LARGEST and not data.startswith(b'{"charger": '):
            found[name] = b2a_base64(data).decode().strip()
    return found


def withheld(text):
    """A text of the central system without the key in it.

    text: str."""
    try:
        message = json.loads(text)
        payload = message[3]
        if payload["key"].lower() == _WITHHELD:
            value = payload["value"]
            # As long as it was, and as right or wrong.
            hexadecimal = all(digit in "0123456789abcdefABCDEF" for digit in value)
            payload["value"] = ("0" if hexadecimal else "x") * len(value)
            return json.dumps(message)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        if _WITHHELD in text.lower():
            return "(withheld)"
    return text


class Recorder:
    """Writes the record of one process.

    path: of the file, which is there. header: of what there is at power-up, a dict."""

    def __init__(self, path, header):
        self._file = open(path, "a")
        self._last = ticks_ms()
        self._ms = 0
        self._write(header)

    def _write(self, value):
        if self._file:
            try:
                self._file.write(json.dumps(value) + "\n")
                self._file.flush()
            except OSError as error:
                # The record ends; the charging point does not.
                self._file = None
                print("? the record ends here: %r" % error)

    def now(self):
        """Milliseconds since power-up."""
        now = ticks_ms()
        self._ms += ticks_diff(now, self._last)
        self._last = now
        return self._ms

    def note(self, kind, value=None, at=None):
        """Write what happened.

        kind: str. value: of it. at: when, as of `now`; now when None."""
        self._write([self.now() if at is None else at, kind, value])

    def say(self, line):
        """Print a line.

        line: str."""
        self.note("printed", line)
        print(line)

    def making(self, make):
        """A function that makes a charging point as `make` does, and listens to it.

        make: function(hardware)."""

        def made(hardware):
            at = self.now()
            point = make(hardware)
            credentials = point.uplink._credentials
            known = {"profile": credentials.profile, "key": credentials._key is not None}
            self.note("power", known, at)
            self._listen(point)
            return point

        return made

    def desk(self, desk):
        """Listen to what is typed, and to resets.

        desk: a Desk."""
        typed, reset = desk.typed, desk.hardware.reset

        def noted(line):
            self.note("typed", line)
            typed(line)

        def reset_too(hard):
            self.note("reset", hard)
            reset(hard)

        desk.typed, desk.hardware.reset = noted, reset_too

    def _listen(self, point):
        session, tick = point.session, point.core.tick
        connected, lost = session.connected, session.lost
        received, following = session.received, session.next
        chance = session._backoff.next

        def has_ticked():
            # When time passed is something that comes in, too: it decides what is first.
            self.note("tick")
            return tick()

        def has_connected():
            self.note("connected")
            connected()

        def has_lost():
            self.note("lost")
            lost()

        def has_received(data, escaped=True):
            try:
                text = str(bytes(data), "utf-8")
            except ValueError:
                text = ""
            self.note("received", withheld(text))
            received(data, escaped)

        def has_next():
            text = following()
            if text is not None:
                self.note("sent", text)
            return text

        def has_chance():
            value = chance()
            self.note("chance", value)
            return value

        def outcome(reason, pause):
            self.note("network", [reason and "%s: %s" % (type(reason).__name__, reason), pause])

        point.core.tick = has_ticked
        session.connected, session.lost = has_connected, has_lost
        session.received, session.next = has_received, has_next
        session._backoff.next = has_chance
        point.uplink.outcome = outcome
