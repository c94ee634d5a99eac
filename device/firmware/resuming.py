"""Takes up the trial of new settings that a start finds; see `verdict`, which has the states.

Loaded with `once` by such a start: nothing here may wait, stay or be kept.
"""

from webpubsub.memory import once

from . import SettingsError, console

verdict = once("firmware.verdict")
slots = verdict.slots


def take(settings):
    """The Trial that a start finds; None when there is none.

    Args:
        settings: Settings in use.
    """
    folder = settings.folder
    try:
        note = slots.read_record(folder, verdict.FILE)
    except SettingsError:
        note = None
    if note is None:
        slots.discard(folder)
        slots.remove(folder + "/" + verdict.FILE)
        return None
    # Kept by nobody but the one who gets it: it goes when its one object goes.
    trial = once("firmware.trial").Trial(settings, note)
    state = note["state"]
    if state == verdict.NEW:
        _begin(trial)
    elif state == verdict.TRYING:
        if settings.generation == note["generation"]:
            verdict.conclude(
                trial, verdict.KEPT
            )  # the power went after the last step, before its note
        else:
            verdict.fail(trial, "the board was reset while it tried")
    return trial


def _begin(trial):
    note, folder = trial.note, trial.folder
    try:
        found = slots.read_slot(folder, note["slot"], slots.CANDIDATE)
        if found is None:
            raise SettingsError("it is gone")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not used
        verdict.fail(trial, "the new settings are damaged (%s)" % error)
        return
    if found.generation <= trial.settings.generation:
        verdict.fail(trial, "newer settings were written")
        return
    try:
        # Before the first use: who finds this note again knows that a reset came in between.
        verdict.save(trial, verdict.TRYING)
    except OSError as error:
        verdict.fail(trial, "the flash cannot be written (%s)" % error)
        return
    trial.settings = found
    console.say("settings", "trying generation %d, for %d s" % (found.generation, note["seconds"]))
