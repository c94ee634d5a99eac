"""Tries new settings, and keeps them only when the board is on the hub with them.

The file `trial` says how far it is, so that no reset and no power cut leaves a board with
settings that do not work:

    new      the candidate is whole; the next start takes it
    trying   a start has taken it; a start that finds this knows that a reset came in between
    kept     the candidate has become the settings in use    } whoever asked for it is told,
    failed   it was thrown away; `error` says why             } and the file is removed

A start takes a candidate once: settings that crash the board, or hang it until the watchdog
bites, are as good as settings that are refused.
"""

import asyncio

from .console import hide, say
from .runtime import ticks_add, ticks_diff, ticks_ms
from .settings import Damaged, read_record, read_slot
from .slots import CANDIDATE, accept, discard, remove, write_record

FILE = "trial"
NEW, TRYING, KEPT, FAILED = "new", "trying", "kept", "failed"

# Seconds between attempts to tell the outcome, and how many there are.
PAUSE = 10
_ATTEMPTS = 10
# A service that says no so often means it.
_REFUSALS = 3
_POLL = 0.1

_sleep = asyncio.sleep


def announce(candidate, command, kind, id_, seconds):
    """Let the next start try a candidate.

    Args:
        candidate: Settings that `slots.propose` made.
        command, kind, id_: who asked, for the answer: its command, "group" or "server", its id.
        seconds: from the start until it must be on the hub.
    """
    note = {
        "schema": 1,
        "generation": candidate.generation,
        "slot": candidate.slot,
        "state": NEW,
        "command": command,
        "kind": kind,
        "id": id_,
        "seconds": seconds,
    }
    write_record(candidate.folder, FILE, note)


def resume(settings):
    """The Trial that a start finds; None when there is none.

    Args:
        settings: Settings in use.
    """
    folder = settings.folder
    try:
        note = read_record(folder, FILE)
    except Damaged:
        note = None
    if note is None:
        discard(folder)
        remove(folder + "/" + FILE)
        return None
    return Trial(settings, note)


class Trial:
    """One change of the settings, from its first start until whoever asked knows.

    `settings` are those to run with: the candidate's while it is tried.
    """

    def __init__(self, settings, note):
        self.settings = settings
        self._folder = settings.folder
        self._note = note
        state = note["state"]
        if state == NEW:
            self._begin()
        elif state == TRYING:
            if settings.generation == note["generation"]:
                self._conclude(KEPT)  # the power went after the last step, before its note
            else:
                self.fail("the board was reset while it tried")

    @property
    def is_open(self):
        """Whether the candidate has yet to prove itself."""
        return self._note["state"] == TRYING

    def _begin(self):
        note = self._note
        try:
            found = read_slot(self._folder, note["slot"], CANDIDATE)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not used
            self.fail("the new settings are damaged (%s)" % error)
            return
        if found.generation <= self.settings.generation:
            self.fail("newer settings were written")
            return
        try:
            # Before the first use: who finds this note again knows that a reset came in between.
            self._save(TRYING)
        except OSError as error:
            self.fail("the flash cannot be written (%s)" % error)
            return
        self.settings = found
        say("settings", "trying generation %d, for %d s" % (found.generation, note["seconds"]))

    def keep(self):
        """The candidate works: it becomes the settings in use."""
        accept(self.settings)
        self._conclude(KEPT)
        say("settings", "generation %d works and is kept" % self.settings.generation)

    def fail(self, reason):
        """The candidate does not work: it is thrown away. Takes effect at the next start."""
        self._note["error"] = hide(reason)
        self._conclude(FAILED)
        discard(self._folder)
        say("settings", "the change was rolled back (%s)" % reason)

    async def run(self, hub, commands, reset):
        """See it through: wait for the hub, decide, tell. Resets after a failure."""
        if self.is_open:
            if not await self._decide(hub):
                await reset()
                return
        for _ in range(_ATTEMPTS):
            await hub.ready.wait()
            if await commands.send(hub.client, self._note["kind"], self._answer(commands)):
                break
            await _sleep(PAUSE)
        remove(self._folder + "/" + FILE)

    async def _decide(self, hub):
        seconds = self._note["seconds"]
        deadline = ticks_add(ticks_ms(), seconds * 1000)
        while not hub.ready.is_set():
            if hub.refusals >= _REFUSALS:
                self.fail(hub.reason)
                return False
            if ticks_diff(deadline, ticks_ms()) <= 0:
                self.fail("not on the hub within %d s: %s" % (seconds, hub.reason or "no link"))
                return False
            await _sleep(_POLL)
        try:
            self.keep()
        except OSError as error:
            self.fail("the flash cannot be written (%s)" % error)
            return False
        return True

    def _answer(self, commands):
        note = self._note
        kept = note["state"] == KEPT
        answer = commands.answer_to(note["id"], kept)
        if kept:
            answer["result"] = {"kept": note["command"], "generation": note["generation"]}
        else:
            answer["error"] = "%s was rolled back: %s" % (note["command"], note.get("error"))
        return answer

    def _conclude(self, state):
        try:
            self._save(state)
        except OSError:
            pass  # the next start comes to the same conclusion

    def _save(self, state):
        self._note["state"] = state
        write_record(self._folder, FILE, self._note)
