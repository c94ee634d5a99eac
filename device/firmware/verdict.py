"""Tries new settings, and keeps them only when the board is on the hub with them.

The file `trial` says how far it is, so that no reset and no power cut leaves a board with
settings that do not work:

    new      the candidate is complete; the next start takes it
    trying   a start has taken it; a start that finds this knows that a reset came in between
    kept     the candidate has become the settings in use    } whoever asked for it hears of it,
    failed   it was thrown away; `error` says why             } and the file is removed

A start takes a candidate once: settings that crash the board, or hang it until the watchdog
bites, are as good as settings that are refused. The start is in `resuming`, the waiting in
`trial`.

Loaded for each step with `once`: nothing here may wait, stay or be kept.

folder: where the files of the slots are, str. trial: the Trial. state: one of those above.
"""

from webpubsub.memory import once

from . import SettingsError, console

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


def keep(trial):
    """The candidate works: it becomes the settings in use. Returns whether that was done."""
    try:
        slots.accept(trial.settings)
    except OSError as error:
        fail(trial, "the flash cannot be written (%s)" % error)
        return False
    conclude(trial, KEPT)
    console.say("settings", "generation %d works and is kept" % trial.settings.generation)
    return True


def fail(trial, reason):
    """The candidate does not work: it is thrown away. Takes effect at the next start.

    reason: str."""
    trial.note["error"] = once("firmware.hiding").hide(reason)
    conclude(trial, FAILED)
    slots.discard(trial.folder)
    console.say("settings", "the change was rolled back (%s)" % reason)


def answer(trial, commands):
    """The answer for whoever asked for the change, a dict.

    commands: the Commands that will send it."""
    note = trial.note
    kept = note["state"] == KEPT
    reply = commands.answer_to(note["id"], kept)
    if kept:
        reply["result"] = {"kept": note["command"], "generation": note["generation"]}
    else:
        reply["error"] = "%s was rolled back: %s" % (note["command"], note.get("error"))
    return reply


def end(trial):
    """Whoever asked has the answer, or could not be reached: forget it."""
    slots.remove(trial.folder + "/" + FILE)


def conclude(trial, state):
    """Note how a trial ended, as far as the flash can be written."""
    try:
        save(trial, state)
    except OSError:
        pass  # the next start comes to the same conclusion


def save(trial, state):
    """Note how far a trial is. Raises OSError."""
    trial.note["state"] = state
    write_record(trial.folder, FILE, trial.note)
