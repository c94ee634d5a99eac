"""What stands for core, queue, configuration and time in the tests of session and shell."""

import json

from chargepoint.calls import Call
from chargepoint.clock import Clock
from chargepoint.session import Session

KEYS = {
    "HeartbeatInterval": 300,
    "MessageTimeout": 30,
    "WebSocketPingInterval": 20,
}
BOOT = {"chargePointModel": "Box", "chargePointVendor": "Own"}


class Configuration:
    """Keys and their values."""

    def __init__(self, **values):
        self.values = dict(KEYS)
        self.values.update(values)
        self.hooks = []
        self.writers = {}

    def value(self, key):
        return self.values[key]

    def set(self, key, text):
        if key.lower() in self.writers:
            return self.writers[key.lower()](text)
        if key not in self.values:
            return "NotSupported"
        self.values[key] = int(text)
        for hook in self.hooks:
            hook(key)
        return "Accepted"

    def on_change(self, hook):
        self.hooks.append(hook)


class Calls:
    """Gives out calls that a test put here, and keeps what became of them."""

    def __init__(self):
        self.calls = []
        self.results = []
        self.errors = []

    def put(self, action, payload=None, result=None):
        """A call that is due; its payload may be a function."""
        self.calls.append(
            Call(
                action,
                {} if payload is None else payload,
                result or self.results.append,
                self.errors.append,
            )
        )

    def take(self):
        return self.calls.pop(0) if self.calls else None


class Storage:
    """Values in memory, and in a file if there is one."""

    def __init__(self, path=None):
        self.path = path
        self.values = {}
        self.full = False
        try:
            if path:
                with open(path) as file:
                    self.values = json.load(file)
        except OSError:
            pass

    def load(self, name):
        return self.values.get(name)

    def save(self, name, value):
        if self.full:
            return False
        self.values[name] = json.loads(json.dumps(value))
        if self.path:
            with open(self.path, "w") as file:
                json.dump(self.values, file)
        return True


class Core(Calls):
    """Answers calls as a test says, and keeps them."""

    def __init__(self):
        super().__init__()
        self.online = False
        self.registration = None
        self.served = []
        self.answers = {}
        self.triggered = []
        self.ticks = self.reports = 0
        self.next_tick = 3600

    def call(self, action, payload):
        self.served.append((action, payload))
        answer = self.answers.get(action, {"status": "Accepted"})
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (answer, None)

    def report_all(self):
        self.reports += 1

    def next_call(self):
        if self.triggered:
            return self.triggered.pop(0)
        return self.take() if self.online else None

    def tick(self):
        self.ticks += 1
        return self.next_tick


class Queue(Calls):
    """A queue of one message at a time; what failed without a code comes again."""

    def __init__(self):
        super().__init__()
        self.pause = 86400

    def next(self):
        return self.take()

    def wait(self):
        return self.pause


class Backoff:
    """As `webpubsub.Backoff`, but that everybody knows the delay."""

    def __init__(self, delay=7):
        self.delay = delay
        self.attempt = 0

    def next(self):
        self.attempt += 1
        return self.delay

    def connected(self, seconds):
        self.attempt = 0


class Rig:
    """A session, all that it is made of, and time that a test moves."""

    def __init__(self, **values):
        self.ms = 0
        self.core = Core()
        self.queue = Queue()
        self.clock = Clock(lambda: self.ms & ((1 << 30) - 1))
        self.configuration = Configuration(**values)
        self.backoff = Backoff()
        self.session = Session(
            self.core, self.queue, self.clock, self.configuration, BOOT, self.backoff
        )

    def after(self, seconds):
        """Let time pass."""
        self.ms += int(seconds * 1000)

    def next(self):
        """The next message, sent and parsed; None when there is none."""
        text = self.session.next()
        if text is None:
            return None
        self.session.sent()
        return json.loads(text)

    def all(self):
        """Every message that goes out now."""
        found = []
        while True:
            message = self.next()
            if message is None:
                return found
            found.append(message)

    def give(self, *message):
        """A message of the central system."""
        self.session.received(json.dumps(message).encode())

    def result(self, message, **payload):
        """The central system's answer to a call."""
        self.give(3, message[1], payload)

    def call(self, action, **payload):
        """A call of the central system, and the answer to it."""
        self.give(2, "c1", action, payload)
        return self.next()

    def accept(self, interval=300, time="2026-12-01T08:00:00Z"):
        """Connect, and be accepted."""
        self.session.connected()
        boot = self.next()
        assert boot[2] == "BootNotification", boot
        self.result(boot, status="Accepted", currentTime=time, interval=interval)
        return boot
