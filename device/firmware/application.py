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

When `main` returns, the app is done. When it raises, the traceback is printed and `main` is
called again after a pause; connection, telemetry and commands go on meanwhile, and the last 16
messages that came in the pause are the first ones of its next loop over `client`.
"""

import os
import sys

from .console import say


def is_there(folder="/"):
    """Whether there is an app on this board, as source or as bytecode."""
    for name in ("app.py", "app.mpy"):
        try:
            os.stat(folder + name)
            return True
        except OSError:
            pass
    return False


async def run(client, settings, commands):
    """Load the app and run its main.

    Args:
        commands: Commands; takes on the app's.

    Raises:
        Exception: whatever the app raises, and ImportError or SyntaxError from loading it.
    """
    app = load()
    commands.more = getattr(app, "commands", {})
    for name in commands.more:
        if name in commands.builtin:
            say("app", "its command '%s' is not used: that name is built in" % name)
    say("app", "started")
    await app.main(client, settings)
    say("app", "finished")


def load():
    """The app as a module; loaded once, also when it is run again."""
    try:
        return __import__("app")
    except Exception:
        # What is half loaded would count as loaded the next time.
        sys.modules.pop("app", None)
        raise


class WithBacklog:
    """A client whose first messages are those that its app has missed.

    Args:
        client: WebPubSubClient; everything but iteration is its own.
        missed: list of messages, the oldest first; taken out one by one.
    """

    def __init__(self, client, missed):
        self._client = client
        self._missed = missed

    def __getattr__(self, name):
        return getattr(self._client, name)

    def __aiter__(self):
        return _Backlog(self._client.__aiter__(), self._missed)


class _Backlog:
    def __init__(self, messages, missed):
        self._messages = messages
        self._missed = missed

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._missed:
            return self._missed.pop(0)
        return await self._messages.__anext__()
