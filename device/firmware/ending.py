"""What is done when a device ends at the prompt: said why, and left in a state to work on.

Loaded with `once`: nothing here may wait, stay or be kept.
"""

import gc

from webpubsub.memory import once

from . import SettingsError, console, runtime, shortage


def ended(node, error):
    """Say what ended it, roll settings on trial back, give whoever is at the prompt time.

    Args:
        node: Node, maybe without some of its parts.
        error: the exception that ended it, or None.
    """
    try:
        if isinstance(error, KeyboardInterrupt):
            console.say("board", "stopped by Ctrl-C; Ctrl-D starts it again")
        elif error:
            if isinstance(error, SettingsError):
                console.say("settings", str(error))
            else:
                runtime.print_exception(error)
            trial = node.trial
            if trial is not None and trial.is_open:
                # Settings on trial that do not even start: the old ones are used again.
                once("firmware.verdict").fail(trial, shortage.in_words(error))
                runtime.reset()
            if not isinstance(error, SettingsError):
                console.say("board", "stopped by a fault; Ctrl-D starts it again")
    finally:
        once("firmware.arming").release(node.watchdog)
        gc.collect()
