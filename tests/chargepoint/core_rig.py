"""A charging point's core with hardware, queue and storage that keep what is done to them."""

from chargepoint.authorization import Authorization
from chargepoint.clock import Clock
from chargepoint.core import Core
from chargepoint.hardware import Hardware

KEYS = {
    "AllowOfflineTxForUnknownId": False,
    "AuthorizationCacheEnabled": True,
    "AuthorizeRemoteTxRequests": False,
    "ConnectionTimeOut": 60,
    "LocalAuthListEnabled": True,
    "LocalAuthorizeOffline": True,
    "LocalPreAuthorize": False,
    "MinimumStatusDuration": 0,
    "StopTransactionOnEVSideDisconnect": True,
    "StopTransactionOnInvalidId": True,
    "UnlockConnectorOnEVSideDisconnect": True,
}


class Configuration:
    """Keys and their values."""

    def __init__(self, **values):
        self.values = dict(KEYS)
        self.values.update(values)

    def value(self, key):
        return self.values[key]


class Storage:
    """What outlives a power cut."""

    def __init__(self):
        self.files = {}

    def load(self, name):
        return self.files.get(name)

    def save(self, name, value):
        self.files[name] = [list(v) if isinstance(v, tuple) else v for v in value]
        return True


class Transaction:
    """One that was found without a stop at power-up."""

    def __init__(self, local, connector, id_tag, meter, begun=(0, 0)):
        self.local = local
        self.begun = begun
        self.connector = connector
        self.id_tag = id_tag
        self.last_meter = meter


class Queue:
    """Starts and stops, as they were written."""

    def __init__(self):
        self.open = []
        self.starts = []  # (local, connector, id_tag, meter)
        self.stops = []  # (local, meter, reason, id_tag)
        self.ids = {}
        self.waiting = 0

    def start(self, connector, id_tag, meter, reservation_id=None):
        local = len(self.starts) + 1
        self.starts.append((local, connector, id_tag, meter))
        self.open.append(Transaction(local, connector, id_tag, meter))
        return local

    def stop(self, local, meter, reason=None, id_tag=None, data=()):
        self.stops.append((local, meter, reason, id_tag))
        self.open = [each for each in self.open if each.local != local]

    def local_of(self, transaction_id):
        for local, id_ in self.ids.items():
            if id_ == transaction_id:
                return local
        return None

    def accept(self, local, transaction_id=None, status="Accepted", **info):
        """The central system's StartTransaction.conf."""
        self.ids[local] = local if transaction_id is None else transaction_id
        info["status"] = status
        self.on_started(local, self.ids[local], info)


class Box(Hardware):
    """Electronics that keep what they were asked for, and check the one thing that counts."""

    def __init__(self):
        self.core = None
        self.registers = {}
        self.is_closed = {}
        self.amperes = {}
        self.is_locked = {}
        self.stuck = False
        self.resets = []

    def contactor(self, connector, closed):
        if closed:
            state = self.core.connector(connector)
            assert state.plugged, "closed without a cable"
            assert state.local is not None, "closed without a transaction"
            assert self.amperes.get(connector), "closed without current"
            assert not state.fault, "closed in a fault"
        self.is_closed[connector] = closed

    def offer(self, connector, amperes):
        assert amperes or not self.is_closed.get(connector), "0 A before it opened"
        self.amperes[connector] = amperes

    def lock(self, connector, locked):
        if self.stuck:
            return False
        self.is_locked[connector] = locked
        return True

    def energy(self, connector):
        return self.registers.get(connector, 1000)

    def reset(self, hard):
        self.resets.append(hard)


class Rig:
    """A core, all that it is made of, and time that a test moves."""

    def __init__(self, count=2, before=None, resume=False, limit=None, online=True, **values):
        self.ms = 0
        self.box = before.box if before else Box()
        self.box.is_closed = {}
        self.storage = before.storage if before else Storage()
        self.queue = before.queue if before else Queue()
        self.clock = Clock(lambda: self.ms & ((1 << 30) - 1))
        self.configuration = before.configuration if before else Configuration(**values)
        self.authorization = Authorization(self.storage, self.configuration)
        self.said = []
        # The hardware asks the core, which asks it while it is made.
        self.box.core = self
        self.core = self._made = Core(
            self.box,
            count,
            self.storage,
            self.queue,
            self.clock,
            self.configuration,
            self.authorization,
            limit,
            resume,
        )
        self.box.core = self.core
        self.core.listeners.append(lambda *what: self.said.append(what))
        self.core.online = online

    def connector(self, number):
        """As the core's, while that is made."""
        return self._made.connector(number)

    def after(self, seconds):
        """Let time pass."""
        self.ms += int(seconds * 1000)
        return self.core.tick()

    def statuses(self):
        """The StatusNotifications that are due, sent: (connector, status) each."""
        found = []
        while True:
            call = self.core.next_call()
            if call is None or call.action != "StatusNotification":
                return found
            payload = call.payload()
            found.append((payload["connectorId"], payload["status"]))

    def authorized(self, status="Accepted", **info):
        """Answer the Authorize that is due."""
        call = self.core.next_call()
        assert call.action == "Authorize", call.action
        info["status"] = status
        call.result({"idTagInfo": info})
        return call.payload["idTag"]

    def charge(self, number=1, id_tag="T1"):
        """Plug, tag, ready: until energy flows."""
        self.core.plugged(number)
        self.core.tag(number, id_tag)
        self.authorized()
        self.core.ready(number)
        assert self.box.is_closed[number]
        return self.core.connector(number)
