"""Tries new settings, and keeps them only when the board is on the hub with them.

The file `trial` says how far it is, so that no reset and no power cut leaves a board with
settings that do not work:

    new      the candidate is whole; the next start takes it
    trying   a start has taken it; a start that finds this knows that a reset came in between
    kept     the candidate has become the settings in use    } whoever asked for it is told,
    failed   it was thrown away; `error` says why             } and the file is removed

A start takes a candidate once: settings that crash the board, or hang it until the watchdog
bites, are as good as settings that are refused. The waiting is done by a Trial (see `trial`).

Loaded for each step with `once`: nothing here may wait, stay or be kept.
"""

from webpubsub.memory import once

from . import console
from .settings import SettingsError

slots = once("firmware.slots")
write_record = slots.write_record

FILE = "trial"
NEW, TRYING, KEPT, FAILED = "new", "trying", "kept", "failed"


def is_busy(folder):
    """Whether a change is under way."""
    try:
        return slots.read_record(folder, FILE) is not None
    except SettingsError:
        return False


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
        note = slots.read_record(folder, FILE)
    except SettingsError:
        note = None
    if note is None:
        slots.discard(folder)
        slots.remove(folder + "/" + FILE)
        return None
    # Kept by nobody but the one who gets it: it goes when its one object goes.
    trial = once("firmware.trial").Trial(settings, note)
    state = note["state"]
    if state == NEW:
        _begin(trial)
    elif state == TRYING:
        if settings.generation == note["generation"]:
            _conclude(trial, KEPT)  # the power went after the last step, before its note
        else:
            fail(trial, "the board was reset while it tried")
    return trial


def _begin(trial):
    note, folder = trial.note, trial.folder
    try:
        found = slots.read_slot(folder, note["slot"], slots.CANDIDATE)
        if found is None:
            raise SettingsError("it is gone")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not used
        fail(trial, "the new settings are damaged (%s)" % error)
        return
    if found.generation <= trial.settings.generation:
        fail(trial, "newer settings were written")
        return
    try:
        # Before the first use: who finds this note again knows that a reset came in between.
        _save(trial, TRYING)
    except OSError as error:
        fail(trial, "the flash cannot be written (%s)" % error)
        return
    trial.settings = found
    console.say("settings", "trying generation %d, for %d s" % (found.generation, note["seconds"]))


def keep(trial):
    """The candidate works: it becomes the settings in use. Returns whether that was done."""
    try:
        slots.accept(trial.settings)
    except OSError as error:
        fail(trial, "the flash cannot be written (%s)" % error)
        return False
    _conclude(trial, KEPT)
    console.say("settings", "generation %d works and is kept" % trial.settings.generation)
    return True


def fail(trial, reason):
    """The candidate does not work: it is thrown away. Takes effect at the next start."""
    trial.note["error"] = once("firmware.hiding").hide(reason)
    _conclude(trial, FAILED)
    slots.discard(trial.folder)
    console.say("settings", "the change was rolled back (%s)" % reason)


def answer(trial, commands):
    """What whoever asked for the change is told, as a dict."""
    note = trial.note
    kept = note["state"] == KEPT
    reply = commands.answer_to(note["id"], kept)
    if kept:
        reply["result"] = {"kept": note["command"], "generation": note["generation"]}
    else:
        reply["error"] = "%s was rolled back: %s" % (note["command"], note.get("error"))
    return reply


def end(trial):
    """Whoever asked was told, or could not be: forget it."""
    slots.remove(trial.folder + "/" + FILE)


def _conclude(trial, state):
    try:
        _save(trial, state)
    except OSError:
        pass  # the next start comes to the same conclusion


def _save(trial, state):
    trial.note["state"] = state
    write_record(trial.folder, FILE, trial.note)
