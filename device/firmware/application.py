"""Runs the user's program, `/app.py`, beside the connection.

The contract of an app, all of it:

    async def main(client, settings): ...      # required; runs as a task

    commands = {"start": start}                # optional: more commands for this device

`client` is the WebPubSubClient, already open or about to be; it reconnects by itself, and the
app never opens or closes it. `settings` is the Settings of firmware.settings.

`commands` maps names to `def start(arguments)` or `async def start(arguments)`, where
`arguments` is the dict of the command, maybe empty. What it returns is the result of the
answer (anything that JSON can say); `raise CommandError("text")`, from firmware.commands, is
answered as that error. The dict may change while the app runs.

On a charging point there is more, and `main` may be missing: see `charge_wiring`.

When `main` returns, the app is done. When it raises, the traceback is printed and `main` is
called again after a pause; connection, telemetry and commands go on meanwhile, and the last 16
messages that came in the pause are the first ones of its next loop over `client`.

Loaded to start the app, with `once`: nothing here may wait, stay or be kept.
"""

import os
import sys

from webpubsub.memory import once

from . import console


def is_there(folder="/"):
    """Whether there is an app on this board, as source or as bytecode.

    folder: where to look, a str that ends in "/"."""
    for name in ("app.py", "app.mpy"):
        try:
            os.stat(folder + name)
            return True
        except OSError:
            pass
    return False


def load(commands=None):
    """The app as a module; loaded once, also when it is run again.

    Args:
        commands: Commands; takes on the app's. None to look at the app before it is started.

    Raises:
        Exception: ImportError, SyntaxError, or whatever else comes from loading it.
    """
    try:
        app = __import__("app")
    except BaseException:
        # What is half loaded would count as loaded the next time.
        sys.modules.pop("app", None)
        raise
    if commands is None:
        return app
    commands.more = getattr(app, "commands", {})
    for name in commands.more:
        if name in once("firmware.orders").BUILTIN:
            console.say("app", "its command '%s' is not used: that name is built in" % name)
    console.say("app", "started")
    return app
