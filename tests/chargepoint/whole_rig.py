"""A whole charging point but for its socket: session, core, queue and files; time that moves."""

import json

from chargepoint.authorization import Authorization
from chargepoint.clock import Clock
from chargepoint.configuration import Configuration
from chargepoint.core import Core
from chargepoint.measuring import Measuring
from chargepoint.queue import TransactionQueue
from chargepoint.session import Session
from chargepoint.storage import Storage
from charging_fakes import BOOT, Backoff
from core_rig import Box

NOW = 1796112000  # 2026-12-01T08:00:00Z
TIME = "2026-12-01T08:00:00Z"


class Meter(Box):
    """Electronics with a few measurands more than the register."""

    measurands = ("Power.Active.Import", "Current.Import.L1", "Voltage", "SoC", "Temperature")

    def __init__(self):
        super().__init__()
        self.values = {
            "Power.Active.Import": 7359.96,
            "Current.Import.L1": 16,
            "Voltage": 229.5,
            "Temperature": -3.25,
        }

    def measure(self, connector, measurand):
        return self.values.get(measurand)


class Rig:
    """A power-up of it. folder: of an earlier power-up, or an empty one."""

    def __init__(self, folder, count=2, box=None, boot=1, journal=16384, resume=False, keys=None):
        self.ms = 0
        self.box = box or Meter()
        self.box.is_closed = {}
        self.clock = Clock(lambda: self.ms & ((1 << 30) - 1), boot)
        self.storage = Storage(folder)
        self.configuration = Configuration(self.storage, {"NumberOfConnectors": count})
        for key, text in (keys or {}).items():
            assert self.configuration.set(key, text) == "Accepted", key
        measuring = Measuring(self.box, self.configuration, self.clock)
        self.queue = TransactionQueue(
            folder + "/transactions", self.configuration, self.clock, measuring, journal
        )
        self.authorization = Authorization(self.storage, self.configuration)
        self.said = []
        self.box.core = self
        self.core = self._made = Core(
            self.box,
            count,
            self.storage,
            self.queue,
            self.clock,
            self.configuration,
            self.authorization,
            None,
            resume,
            measuring,
        )
        self.box.core = self.core
        self.core.listeners.append(lambda *what: self.said.append(what))
        self.session = Session(
            self.core, self.queue, self.clock, self.configuration, BOOT, Backoff()
        )
        self._calls = 0

    def connector(self, number):
        """As the core's, while that is made."""
        return self._made.connector(number)

    def after(self, seconds):
        """Let time pass, a tick each second, as the shell does at most."""
        for _ in range(seconds):
            self.ms += 1000
            self.core.tick()

    def send(self):
        """The next message, sent and parsed; None when there is none."""
        text = self.session.next()
        if text is None:
            return None
        self.session.sent()
        return json.loads(text)

    def give(self, *message):
        """A message of the central system."""
        self.session.received(json.dumps(message).encode())

    def boot(self):
        """Connect, be accepted, and answer all that follows."""
        self.session.connected()
        boot = self.send()
        assert boot[2] == "BootNotification", boot
        self.give(3, boot[1], {"status": "Accepted", "currentTime": TIME, "interval": 3600})
        return self.settle()

    def settle(self, transaction_id=7, answer=None):
        """Send and answer everything: a list of (action, payload).

        answer: function(action, payload) that gives the payload of an answer, or None."""
        found = []
        while True:
            message = self.send()
            if message is None:
                return found
            if message[0] != 2:
                found.append((message[0], message[2:]))
                continue
            found.append((message[2], message[3]))
            given = answer(*message[2:]) if answer else None
            if given is None:
                given = {}
                if message[2] in ("StartTransaction", "Authorize"):
                    given["idTagInfo"] = {"status": "Accepted"}
                if message[2] == "StartTransaction":
                    given["transactionId"] = transaction_id
                if message[2] in ("Heartbeat", "BootNotification"):
                    given = {"currentTime": TIME, "status": "Accepted", "interval": 3600}
            self.give(3, message[1], given)

    def ask(self, action, **payload):
        """A call of the central system: the answer's payload, or the code of a CALLERROR."""
        self._calls += 1
        id_ = f"c{self._calls}"
        self.give(2, id_, action, payload)
        answer = self.send()
        assert answer[1] == id_, answer
        return answer[2]

    def charge(self, number=1, id_tag="T1"):
        """Until energy flows and the central system knows."""
        self.core.plugged(number)
        self.core.tag(number, id_tag)
        found = self.settle()
        self.core.ready(number)
        assert self.box.is_closed[number]
        return found + self.settle()
