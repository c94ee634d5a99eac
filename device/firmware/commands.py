"""Commands over the hub: who may give them, what they do, and the answer (docs/remote-care.md).

A message is obeyed when it comes from the server, or in a group from a user that the
settings list. Everybody else is ignored, and gets no answer either.
"""

import asyncio
import json

from .clock import is_set, iso, unix_time
from .console import Changes, debug, hide, level, say, set_level
from .runtime import const, print_exception, versions

# More than this waiting means that somebody floods the board.
_MAX_WAITING = const(8)
# Seconds for a command, and for getting its answer out.
_TIME_LIMIT = const(60)
# For the last messages before a reset.
_GOODBYE = const(5)
_BLINKS = const(10)
_BLINK = 0.25

# What changes the settings: in a module of its own, loaded when it is first asked for.
_CARE = ("set_ca", "set_endpoint", "set_token")

_sleep = asyncio.sleep


class CommandError(Exception):
    """Raised by a command's function: its text is the answer, and nothing is wrong with us."""


class Commands:
    """The table of commands, and the task that carries them out one after another.

    Args:
        settings: Settings.
        report: function that makes a report.
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
        self._blinking = None
        self.builtin = {
            "ping": _ping,
            "report": lambda arguments: report(),
            "identify": self._identify,
            "log_level": _log_level,
            "reset": self._ask_for_reset,
        }
        for name in _CARE:
            self.builtin[name] = None

    def accept(self, message):
        """Take a message off the receive loop: never blocks, never raises.

        Args:
            message: with `.kind`, `.data` and, for groups, `.from_user_id`.
        """
        data = message.data
        if message.kind == "server" and isinstance(data, str):
            data = _from_text(data)
        if not isinstance(data, dict) or "command" not in data:
            return
        if data.get("device") not in (None, self._settings.device_id):
            return
        if not self._is_allowed(message):
            self._strangers.say("ignored %s from %s" % (_short(data["command"]), _whom(message)))
        elif len(self._waiting) >= _MAX_WAITING:
            self._strangers.say("dropped %s: too many at once" % _short(data["command"]))
        else:
            debug("command", "%s from %s" % (_short(data["command"]), message.kind))
            self._waiting.append((message.kind, data))
            self._arrived.set()

    async def run(self, client):
        """Carry out what was accepted, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                kind, data = self._waiting.pop(0)
                answer = await self._answer(data, kind)
                await self.send(client, kind, answer)
            if self._reset_wanted:
                await self.reset(client)

    async def reset(self, client):
        """Leave the hub in good order, and reset the board."""
        for last in (client.flush(_GOODBYE), client.close()):
            try:
                await asyncio.wait_for(last, _GOODBYE)
            except Exception as error:  # noqa: BLE001 - we go anyway
                say("command", "not closed in good order (%s)" % _in_words(error))
        self._reset()

    def answer_to(self, id_, ok):
        """An answer to the command of that id, without its result or error."""
        return {"device": self._settings.device_id, "reply": id_, "ok": ok}

    def _is_allowed(self, message):
        if message.kind == "server":
            return True
        # An anonymous sender has no user id: None is in no list, and must not be.
        user = message.from_user_id
        return bool(user) and user in self._settings.command_users

    async def _answer(self, data, kind):
        answer = self.answer_to(data.get("id"), True)
        name = data["command"]
        try:
            arguments = data.get("arguments")
            if arguments is None:
                arguments = {}
            elif not isinstance(arguments, dict):
                raise CommandError("'arguments' must be an object")
            if name in _CARE:
                answer["result"] = await self._change(name, arguments, kind, data.get("id"))
                answer["pending"] = True
            else:
                answer["result"] = await self._perform(name, arguments)
        except Exception as error:  # noqa: BLE001 - whatever fails, the asker gets to know
            answer["ok"] = False
            answer["error"] = hide(_in_words(error))
            if not isinstance(error, CommandError):
                print_exception(error)
        say("command", "%s: %s" % (_short(name), "ok" if answer["ok"] else answer["error"]))
        return answer

    async def _perform(self, name, arguments):
        if not isinstance(name, str):
            raise CommandError("'command' must be a string")
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

    async def _change(self, name, arguments, kind, id_):
        if self._reset_wanted:
            raise CommandError("the board is about to reset")
        from .care import change

        seconds = await change(name, arguments, self._settings, kind, id_)
        self._reset_wanted = True
        return "resetting, to try it for %d s; the outcome follows" % seconds

    async def send(self, client, kind, answer):
        """Send an answer; returns whether it got through, and never raises.

        Args:
            kind: of the command: "group" or "server".
        """
        group = self._settings.reply_group
        try:
            if kind == "server":
                await asyncio.wait_for(client.send_event("reply", answer), _TIME_LIMIT)
            elif group:
                await asyncio.wait_for(client.send_to_group(group, answer), _TIME_LIMIT)
        except Exception as error:  # noqa: BLE001 - an answer is not worth the receive loop
            say("command", "the answer was not sent (%s)" % _in_words(error))
            return False
        return True

    def _ask_for_reset(self, arguments):
        self._reset_wanted = True
        return "resetting"

    def _identify(self, arguments):
        say("command", "this is %s" % self._settings.device_id)
        if self._settings.led is not None:
            # The reference keeps the task from being collected in mid-run.
            self._blinking = asyncio.create_task(_blink(self._settings.led))
        result = versions()
        result["kind"] = self._settings.device_kind
        result["generation"] = self._settings.generation
        result["time"] = iso(unix_time()) if is_set() else None
        return result


def _from_text(text):
    # Protobuf has no type for JSON in its public form: the service may send it as text.
    if text.startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RuntimeError):  # RuntimeError: nested too deeply
            pass
    return None


def _whom(message):
    if message.from_user_id is None:
        return "nobody known: anonymous, or by protobuf, which does not name senders"
    return _short(message.from_user_id) + ": not in commands.users"


def _ping(arguments):
    return "pong"


def _log_level(arguments):
    if arguments:
        try:
            set_level(arguments.get("level"))
        except ValueError as error:
            raise CommandError("'level': %s" % error)
    return level()


async def _blink(number):
    try:
        import machine

        pin = machine.Pin(number, machine.Pin.OUT)
        for _ in range(_BLINKS):
            pin.value(not pin.value())
            await _sleep(_BLINK)
    except (ImportError, ValueError, OSError) as error:
        say("command", "device.led: pin %d cannot be used (%s)" % (number, error))


def _in_words(error):
    return str(error) or type(error).__name__


def _short(value):
    # What others send must not move the cursor of our console.
    text = repr(str(value))[1:-1]
    return text if len(text) <= 32 else text[:29] + "..."


def _reset():
    import machine

    machine.reset()
