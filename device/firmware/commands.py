"""Commands over the hub: who may give them, and the answer (docs/remote-care.md).

A message is obeyed when it comes from the server, or in a group from a user that the
settings list. Everybody else is ignored, and gets no answer either. What commands do is in
`orders`, which is there only while it does it.
"""

import asyncio
import json
import os

from webpubsub.memory import once
from webpubsub.stream import ends_task

from . import CommandError, runtime, shortage
from .console import debug, say, say_new
from .runtime import const, print_exception

# More than this waiting means that somebody floods the board.
_MAX_WAITING = const(8)
# Seconds for a command, and for getting its answer out.
_TIME_LIMIT = const(60)
# For the last messages before a reset.
_GOODBYE = const(5)
# How often to look, and the seconds between, whether the last change of settings is over.
_PATIENCE = const(50)
_POLL = 0.2


class Commands:
    """The table of commands, and the task that carries them out one after another.

    Args:
        settings: Settings.
        client: WebPubSubClient, for the answers.
        report: function without arguments that returns a report, a dict.
        change_settings: function(command, arguments, kind, id) that makes a candidate of new
            settings, as `care.change`, and returns the seconds that the next start gives it.

    `more` is a dict name -> function(arguments), looked at anew for each command; functions
    may be `async def`. The built-in commands come first, so that nobody locks himself out.
    `leaving` says that the board resets as soon as the answer is out.
    """

    leaving = False
    # The references keep tasks from being collected in mid-run; stalled: a command that goes on
    # although its time is over.
    blinking = stalled = None

    _worker = None  # the task, while there is something to do

    def __init__(self, settings, client, report, change_settings):
        self.more = {}
        self.settings = settings
        self.report = report
        self.change_settings = change_settings
        self._client = client
        self._waiting = []

    def accept(self, message):
        """Take a message off the receive loop: never blocks, never raises.

        Args:
            message: with `.kind`, `.data` and, for groups, `.from_user_id`.
        """
        kind, data = message.kind, message.data
        if kind == "server" and isinstance(data, str) and data.startswith("{"):
            # Protobuf has no type for JSON in its public form: the service may send it as text.
            try:
                data = json.loads(data)
            except (ValueError, RuntimeError):  # RuntimeError: nested too deeply
                pass
        if not isinstance(data, dict) or "command" not in data:
            return
        if data.get("device") not in (None, self.settings.device_id):
            return
        user = message.from_user_id
        # An anonymous sender has no user id: None is in no list, and must not be.
        if kind != "server" and not (user and user in self.settings.command_users):
            if user is None:
                whom = "nobody known: anonymous, or by protobuf, which does not name senders"
            else:
                whom = short(user) + ": not in commands.users"
            say_new("command", "ignored %s from %s" % (short(data["command"]), whom))
        elif len(self._waiting) >= _MAX_WAITING:
            say_new("command", "dropped %s: too many at once" % short(data["command"]))
        else:
            debug("command", "%s from %s" % (short(data["command"]), kind))
            self._waiting.append((kind, data))
            if self._worker is None:
                self._worker = asyncio.create_task(self._work())

    async def _work(self):
        # Carries out what was accepted.
        try:
            while self._waiting:
                kind, data = self._waiting.pop(0)
                await self.send(kind, await self.answer(data, kind))
            if self.leaving:
                await self.reset()
        finally:
            self._worker = None

    async def reset(self):
        """Leave the hub in good order, and reset the board."""
        for last in (self._client.flush, self._client.close):
            try:
                await asyncio.wait_for(last(), _GOODBYE)
            except Exception as error:  # noqa: BLE001 - we go anyway
                say("command", "not closed in good order (%s)" % shortage.in_words(error))
        runtime.reset()

    def answer_to(self, id_, ok):
        """An answer to the command of that id, without its result or error.

        id_: of the command, as it came. ok: bool."""
        return {"device": self.settings.device_id, "reply": id_, "ok": ok}

    async def answer(self, data, kind):
        """Carry a command out; returns the answer, a dict. Never raises an Exception.

        Args:
            data: dict, as it came, with `command`.
            kind: "group" or "server".

        What a command refuses with CommandError is in the answer.
        """
        answer = self.answer_to(data.get("id"), True)
        name = data["command"]
        try:
            if str(name).startswith("set_"):
                await self._until_free()
            if name == "report":
                result = self.report()
            else:
                result = once("firmware.orders").perform(self, data, kind, answer)
            if hasattr(result, "send"):  # a coroutine, on both interpreters
                result = await self._limited(result)
            answer["result"] = result
            outcome = "ok"
            shortage.over()
        except BaseException as error:
            if ends_task(error, (self._worker,)):
                raise
            answer["ok"] = False
            answer["error"] = outcome = shortage.in_words(error)
            if shortage.is_shortage(error):
                shortage.met(error)
            elif not isinstance(error, CommandError):
                print_exception(error)
        say("command", "%s: %s" % (short(name), outcome))
        return answer

    async def _limited(self, coroutine):
        # What a coroutine of the app's returns, in a task of its own: `wait_for` would wait for
        # one that swallows its cancellation, and with it all commands that come after.
        outcome = []
        done = asyncio.Event()

        async def run():
            try:
                outcome.append(await coroutine)
            except BaseException as error:  # noqa: BLE001 raised below
                outcome.extend((None, error))
            done.set()

        task = asyncio.create_task(run())
        try:
            await asyncio.wait_for(done.wait(), _TIME_LIMIT)
        except asyncio.TimeoutError:
            if not outcome:  # which may have come in this very moment
                raise CommandError("not done within %d s" % _TIME_LIMIT)
        finally:
            if not outcome:
                # Until it ends, if ever: a task without a reference may be collected in mid-run.
                self.stalled = task
                task.cancel()
        if len(outcome) > 1:
            raise outcome[1]
        return outcome[0]

    async def _until_free(self):
        # Whoever has an outcome may go on at once, while its acknowledgement is still on its way.
        for _ in range(_PATIENCE):
            try:
                os.stat(self.settings.folder + "/trial")
            except OSError:
                return
            await runtime.sleep(_POLL)

    async def send(self, kind, answer):
        """Send an answer; returns whether it got through, and never raises.

        Args:
            kind: of the command: "group" or "server".

        answer: dict.
        """
        client = self._client
        group = self.settings.reply_group
        try:
            if kind == "server":
                await asyncio.wait_for(client.send_event("reply", answer), _TIME_LIMIT)
            elif group:
                await asyncio.wait_for(client.send_to_group(group, answer), _TIME_LIMIT)
        except Exception as error:  # noqa: BLE001 - an answer is not worth the receive loop
            text = shortage.in_words(error)
            say("command", "the answer was not sent (%s)" % text)
            # Not even begun: the result is nothing that JSON can say, or that fits into memory.
            wrong = isinstance(error, (TypeError, ValueError, RuntimeError))
            if "result" not in answer or not (wrong or shortage.is_shortage(error)):
                return False
            answer.pop("result")
            answer["ok"] = False
            answer["error"] = "the result cannot be sent: " + text
            return await self.send(kind, answer)
        return True


def short(value):
    """A value of somebody else's for the console: it must not move our cursor.

    value: anything."""
    text = repr(str(value))[1:-1]
    return text if len(text) <= 32 else text[:29] + "..."
