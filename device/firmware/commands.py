"""Commands over the hub: who may give them, what they do, and the answer (docs/settings.md).

A message is obeyed when it comes from the server, or in a group from a user that the
settings list. Everybody else is ignored, and gets no answer either.
"""

import asyncio
import os
import sys

from .clock import is_set, iso, unix_time
from .console import Changes, say
from .runtime import const, print_exception

# More than this waiting means that somebody floods the board.
_MAX_WAITING = const(8)
# Seconds for a command, and for getting its answer out.
_TIME_LIMIT = const(60)

_sleep = asyncio.sleep


class CommandError(Exception):
    """Raised by a command's function: its text is the answer, and nothing is wrong with us."""


class Commands:
    """The table of commands, and the task that carries them out one after another.

    Args:
        settings: Settings.
        report: function that makes a telemetry report.
        reset: function that resets the board; machine.reset when it is None.

    `more` is a dict name -> function(arguments), looked at anew for each command; functions
    may be `async def`. The built-in commands come first, so that nobody locks himself out.
    """

    def __init__(self, settings, report, reset=None):
        self.more = {}
        self._settings = settings
        self._reset = reset or _reset
        self._reset_wanted = False
        self._waiting = []
        self._arrived = asyncio.Event()
        self._strangers = Changes("command")
        self.builtin = {
            "ping": _ping,
            "report": lambda arguments: report(),
            "identify": self._identify,
            "reset": self._ask_for_reset,
        }

    def accept(self, message):
        """Take a message off the receive loop: never blocks, never raises.

        Args:
            message: with `.kind`, `.data` and, for groups, `.from_user_id`.
        """
        data = message.data
        if not isinstance(data, dict) or "command" not in data:
            return
        if data.get("device") not in (None, self._settings.device_id):
            return
        if not self._is_allowed(message):
            self._strangers.say(
                "ignored %s from %s: not in commands.users"
                % (_short(data["command"]), _short(message.from_user_id))
            )
        elif len(self._waiting) >= _MAX_WAITING:
            self._strangers.say("dropped %s: too many at once" % _short(data["command"]))
        else:
            self._waiting.append((message.kind, data))
            self._arrived.set()

    async def run(self, client):
        """Carry out what was accepted, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                kind, data = self._waiting.pop(0)
                answer = await self._answer(data)
                await self._send(client, kind, answer)
            if self._reset_wanted:
                await self._say_goodbye(client)
                self._reset()

    def _is_allowed(self, message):
        if message.kind == "server":
            return True
        # An anonymous sender has no user id: None is in no list, and must not be.
        user = message.from_user_id
        return bool(user) and user in self._settings.command_users

    async def _answer(self, data):
        answer = {"device": self._settings.device_id, "reply": data.get("id")}
        name = data["command"]
        try:
            answer["result"] = await self._perform(name, data.get("arguments"))
            answer["ok"] = True
        except Exception as error:  # noqa: BLE001 - whatever fails, the asker gets to know
            answer["ok"] = False
            answer["error"] = str(error) or type(error).__name__
            if not isinstance(error, CommandError):
                print_exception(error)
        say("command", "%s: %s" % (_short(name), "ok" if answer["ok"] else answer["error"]))
        return answer

    async def _perform(self, name, arguments):
        if not isinstance(name, str):
            raise CommandError("'command' must be a string")
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            raise CommandError("'arguments' must be an object")
        function = self.builtin.get(name) or self.more.get(name)
        if function is None:
            names = sorted(set(self.builtin) | set(self.more))
            raise CommandError("unknown command: use one of " + ", ".join(names))
        result = function(arguments)
        if hasattr(result, "send"):  # a coroutine, on both interpreters
            try:
                result = await asyncio.wait_for(result, _TIME_LIMIT)
            except asyncio.TimeoutError:
                raise CommandError("not done within %d s" % _TIME_LIMIT)
        return result

    async def _send(self, client, kind, answer):
        group = self._settings.reply_group
        try:
            if kind == "server":
                await asyncio.wait_for(client.send_event("reply", answer), _TIME_LIMIT)
            elif group:
                await asyncio.wait_for(client.send_to_group(group, answer), _TIME_LIMIT)
        except Exception as error:  # noqa: BLE001 - an answer is not worth the receive loop
            say("command", "the answer was not sent (%s)" % (str(error) or type(error).__name__))

    def _ask_for_reset(self, arguments):
        self._reset_wanted = True
        return "resetting"

    async def _say_goodbye(self, client):
        try:
            await asyncio.wait_for(client.close(), 5)
        except Exception as error:  # noqa: BLE001 - we go anyway
            say("command", "not closed in good order (%s)" % (str(error) or type(error).__name__))

    def _identify(self, arguments):
        from webpubsub import __version__

        say("command", "this is %s" % self._settings.device_id)
        return {
            "kind": self._settings.device_kind,
            "generation": self._settings.generation,
            "webpubsub": __version__,
            "python": "%s %s" % (sys.implementation.name, _dotted(sys.implementation.version)),
            "machine": os.uname().machine if hasattr(os, "uname") else sys.platform,
            "time": iso(unix_time()) if is_set() else None,
        }


def _ping(arguments):
    return "pong"


def _dotted(version):
    return ".".join(str(part) for part in version[:3])


def _short(value):
    # What others send must not move the cursor of our console.
    text = repr(str(value))[1:-1]
    return text if len(text) <= 32 else text[:29] + "..."


def _reset():
    import machine

    machine.reset()
