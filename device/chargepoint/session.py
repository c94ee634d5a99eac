"""The OCPP-J session of a charging point: what to send next, and what becomes of what came.

It knows neither sockets nor tasks. The shell says `connected`, `received` and `lost`; it sends
what `next` gives, and says `sent` when that is out. One own call is open at a time (OCPP-J 1.6,
section 4.1.1); those of the central system are answered meanwhile.
"""

import os
from binascii import hexlify

from webpubsub.compat import const

from . import timestamps
from .calls import Call, CallError
from .rpc import CALL, CALLRESULT, Malformed, call_text, error_text, parse, result_text

_DAY = const(86400)
# Not before Accepted (OCPP 1.6, section 4.2).
_NOT_YET = ("RemoteStartTransaction", "RemoteStopTransaction")
# So many calls without a sign of life, one after the other, and the link is dead, also where no
# pings are asked for.
_PATIENCE = const(3)


class Session:
    """One power-up of a charging point, over all its connections.

    core: a Core. queue: a TransactionQueue. clock: a Clock. configuration: a Configuration. boot:
    the payload of BootNotification, a dict. backoff: a Backoff, for the attempts to be accepted
    where the central system says nothing of their time.

    registration: what the last BootNotification was answered with: None, Pending, Rejected or
    Accepted. malformed, ignored, timeouts, failures: how many texts made no sense, answers were
    not for the open call or calls not for now, own calls got no answer in time, and answers or
    calls of the central system made something fail here. dead: whether the connection should be
    dropped, since nothing comes any more. leaving: set by the shell, where the connection is to
    end: no more own calls are begun.
    """

    def __init__(self, core, queue, clock, configuration, boot, backoff):
        self.core = core
        self._queue = queue
        self._clock = clock
        self._configuration = configuration
        self._boot_payload = boot
        self._backoff = backoff
        self.registration = None
        self.malformed = self.ignored = self.timeouts = self.failures = 0
        self.online = self.dead = self.leaving = False
        self._prefix = hexlify(os.urandom(6)).decode() + "-"
        self._number = 0
        self._open = None  # (id, call)
        self._answers = []  # of (text, what to do once it is out)
        self._after = None
        self._unheard = 0
        # Uptimes: when the open call was sent, anything was; when the clock was set last; and
        # until when nothing may be sent, or no BootNotification.
        self._asked = self._spoke = self._synced = self._boot_at = clock.uptime()

    # what the shell says

    def connected(self):
        """There is a connection."""
        self.online = True
        self.dead = False
        self._unheard = 0
        if self.registration is None:
            self._boot_at = self._clock.uptime()
        self._tell_core()

    def lost(self):
        """It is gone. What was agreed to is done all the same; the open call failed."""
        self.online = False
        self._tell_core()
        answers, self._answers = self._answers, []
        if self._after:
            answers.insert(0, (None, self._after))
            self._after = None
        for _, after in answers:
            self._run(after)
        self._close(None)

    def received(self, data, escaped=True):
        """A text came.

        data: bytes-like, UTF-8. escaped: whether it may hold an escaped surrogate."""
        self._unheard = 0
        try:
            message = parse(data, escaped)
        except Malformed as error:
            self.malformed += 1
            if error.id is not None and not self._silent():
                self._answer(error_text(error.id, error.code, str(error)))
            return
        if message[0] == CALL:
            if self._silent():
                self.ignored += 1
            else:
                self._serve(message)
        elif self._open is None or self._open[0] != message[1]:
            self.ignored += 1
        elif message[0] == CALLRESULT:
            self._result(message[2])
        else:
            code = message[2]
            self._close(code if isinstance(code, str) and code else "GenericError")

    def next(self):
        """The text to send now, a str; None when there is none."""
        self._expire()
        if not self.online or self._silent():
            return None
        if self._answers:
            text, self._after = self._answers.pop(0)
            return text
        if self._open or self.leaving:
            return None
        try:
            call = self._choose()
            if call is None:
                return None
            self._number += 1
            self._open = (self._prefix + str(self._number), call)
            self._asked = self._clock.uptime()
            payload = call.payload
            if not isinstance(payload, dict):
                payload = payload()
            return call_text(self._open[0], call.action, payload)
        except MemoryError:
            self._close(None)  # there may be some later
        except Exception:  # noqa: BLE001 one call must not end the session
            self.failures += 1
            self._close("InternalError")
        return None

    def sent(self):
        """The text that `next` gave is out."""
        self._spoke = self._clock.uptime()
        after, self._after = self._after, None
        self._run(after)

    def wait(self):
        """Seconds until `next` may give something although nothing happened; at least 1."""
        now = self._clock.uptime()
        if not self.online:
            return _DAY
        if self._silent():
            at = self._boot_at
        elif self._open:
            at = self._asked + self._configuration.value("MessageTimeout") + 1
        elif self.registration != "Accepted":
            at = self._boot_at
        else:
            at = min(self._heartbeat_at(), now + self._queue.wait())
        return max(1, at - now)

    def uptime(self):
        """Whole seconds since power-up."""
        return self._clock.uptime()

    @property
    def idle(self):
        """Whether nobody waits for an answer, here or there: a good moment to leave."""
        return not (self._answers or self._open)

    @property
    def busy(self):
        """Whether so many answers are on their way that no more calls should be read."""
        return len(self._answers) > 3

    # own calls

    def _choose(self):
        if self.registration == "Accepted":
            call = self.core.next_call() or self._queue.next()
            if call is None and self._clock.uptime() >= self._heartbeat_at():
                return self._heartbeat()
        else:
            call = None
            if self.registration == "Pending":  # what was triggered
                call = self.core.next_call()
            if call is None and self._clock.uptime() >= self._boot_at:
                return self._boot()
        if call is not None and call.payload is None:
            return self._boot() if call.action == "BootNotification" else self._heartbeat()
        return call

    def _heartbeat_at(self):
        # After silence only, but once a day for the clock (OCPP 1.6, section 4.6).
        interval = self._configuration.value("HeartbeatInterval")
        return min(self._spoke + (interval if interval > 0 else _DAY), self._synced + _DAY)

    def _heartbeat(self):
        return Call("Heartbeat", {}, self._set_clock, self._no_time)

    def _no_time(self, _code):
        # The next one a day later, or after the next silence.
        self._synced = self._clock.uptime()

    def _set_clock(self, payload):
        seconds = timestamps.parse(payload.get("currentTime"))
        self._synced = self._clock.uptime()
        if seconds is not None:
            self._clock.set(seconds)

    def _boot(self):
        return Call("BootNotification", self._boot_payload, self._booted, self._not_booted)

    def _not_booted(self, code):
        self._boot_at = self._clock.uptime() + int(self._backoff.next()) + 1

    def _booted(self, payload):
        status = payload["status"]
        if status not in ("Accepted", "Pending", "Rejected"):
            raise ValueError
        self._set_clock(payload)
        interval = payload.get("interval")
        if isinstance(interval, bool) or not isinstance(interval, (int, float)):
            interval = 0
        # What is more, or no number at all, means no time; nor does what is below.
        interval = int(interval) if 1 <= interval < 1 << 30 else 0
        self.registration = status
        if status == "Accepted":
            self._backoff.attempt = 0
            self.core.report_all()
            if interval and interval != self._configuration.value("HeartbeatInterval"):
                self._configuration.set("HeartbeatInterval", str(interval))
        elif interval:
            self._boot_at = self._clock.uptime() + min(interval, _DAY)
        else:
            self._not_booted(None)
        if status == "Rejected":
            self._answers = []
        self._tell_core()

    def _silent(self):
        # Rejected: nothing at all until the interval is over (OCPP 1.6, section 4.2).
        return self.registration == "Rejected" and self._clock.uptime() < self._boot_at

    def _tell_core(self):
        self.core.registration = self.registration
        self.core.online = self.online and self.registration == "Accepted"

    def _expire(self):
        # The time that is in force now counts, also for a call that is open already.
        if not self._open:
            return
        limit = self._configuration.value("MessageTimeout")
        if self._clock.uptime() > self._asked + limit:
            self.timeouts += 1
            self._unheard += 1
            self.dead = self._unheard >= _PATIENCE
            self._close(None)

    def _result(self, payload):
        call = self._open[1]
        try:
            if call.result:
                if not isinstance(payload, dict):
                    raise ValueError
                call.result(payload)
        except (KeyError, TypeError, ValueError):
            self.failures += 1
            self._close("FormationViolation")
            return
        self._open = None

    def _close(self, code):
        call, self._open = self._open, None
        if call and call[1].error:
            call[1].error(code)

    # calls of the central system

    def _serve(self, message):
        _, id_, action, payload = message
        after = None
        try:
            if self.registration != "Accepted" and action in _NOT_YET:
                payload = {"status": "Rejected"}
            else:
                payload, after = self.core.call(action, payload)
            text = result_text(id_, payload)
        except CallError as error:
            text = error_text(id_, error.code, error.description)
        except MemoryError:
            text = error_text(id_, "InternalError", "no memory")
        except Exception as error:  # noqa: BLE001 likewise
            self.failures += 1
            text = error_text(id_, "InternalError", type(error).__name__)
        self._answer(text, after)

    def _answer(self, text, after=None):
        self._answers.append((text, after))

    def _run(self, after):
        if after:
            try:
                after()
            except Exception:  # noqa: BLE001 likewise
                self.failures += 1
