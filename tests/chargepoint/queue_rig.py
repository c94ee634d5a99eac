"""A transaction queue, a central system that keeps bills, and time that a test moves."""

from chargepoint.clock import Clock
from chargepoint.queue import TransactionQueue

NOW = 1796112000  # 2026-12-01T08:00:00Z


class Configuration:
    """Keys and their values."""

    def __init__(self):
        self.values = {"TransactionMessageAttempts": 3, "TransactionMessageRetryInterval": 10}

    def value(self, key):
        return self.values[key]


class Measuring:
    """One measurand, the register, whose index is 0."""

    def sampled(self, samples, context):
        return [{"value": str(amount), "context": context} for _, amount in samples]

    def meter_of(self, samples):
        for measurand, amount in samples:
            if measurand == 0:
                return amount
        return None


class Central:
    """Gives ids to transactions, and keeps what it was said: (action, payload) each.

    settled: starts and stops that were answered, and the answer was dealt with, so it is on the
    flash: of these none may come again. That values were answered is written with what comes next.
    """

    def __init__(self, first=0):
        self.next = first
        self.said = []
        self.settled = []

    def take(self, call, check_power=None):
        """Answer one call, as a central system that is well."""
        payload = call.payload()
        message = call.action, sorted(payload.items())
        assert message not in self.settled, f"again: {message}"
        self.said.append((call.action, payload))
        answer = {}
        if call.action == "StartTransaction":
            answer = {"transactionId": self.next, "idTagInfo": {"status": "Accepted"}}
            self.next += 1
        call.result(answer)
        if check_power:
            check_power()
        if call.action != "MeterValues":
            self.settled.append(message)

    def actions(self):
        return [action for action, _ in self.said]


class Rig:
    """All of it, on one file."""

    def __init__(self, path, boot=1, unix=NOW, limit=16384):
        self.path = path
        self.ms = 0
        self.clock = Clock(lambda: self.ms & ((1 << 30) - 1), boot)
        if unix is not None:
            self.clock.set(unix)
        self.configuration = Configuration()
        self.queue = TransactionQueue(
            path, self.configuration, self.clock, Measuring(), limit=limit
        )

    def after(self, seconds):
        """Let time pass."""
        self.ms += int(seconds * 1000)

    def deliver(self, central, check_power=None):
        """Send all that is there."""
        while True:
            call = self.queue.next()
            if call is None:
                return
            central.take(call, check_power)
