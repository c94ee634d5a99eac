"""A charging point without I/O: its connectors, who may charge, what is to be said of it.

The hardware reports what happens (`plugged`, `tag`, `fault` ...), the central system asks
(`remote_start`, `change_availability` ...), and time passes (`tick`). What follows goes to the
hardware at once, to the transaction queue, and to `next_call`.
"""

from webpubsub import once
from webpubsub.compat import const

from . import timestamps
from .authorization import same
from .calls import Call
from .connector import Connector

_AVAILABILITY = "availability"
_FAR = const(86400)


class Core:
    """One charging point.

    hardware: a Hardware. count: of connectors, 1 to 8. storage: a Storage. queue: a
    TransactionQueue. clock: a Clock. configuration: a Configuration. authorization: an
    Authorization. limit: function(connector, local) that gives the A which a transaction may have,
    or None; of SmartCharging. resume: whether transactions go on after a power cut. measuring: a
    Measuring, or None.

    online, registration: set by the session: whether it is connected and Accepted; what the last
    BootNotification was answered with. listeners: functions(kind, connector, value), called at
    each change: "contactor", "offer", "lock", "status", and "message" with the action of a
    transaction's message. data_transfer: function(vendorId, messageId, data) that gives the
    status and the data, or None, of the answer; of the program. charging: the SmartCharging that
    belongs to it, or None.
    """

    online = False
    registration = data_transfer = charging = None
    operative = True  # of connector 0, which is the charging point

    def __init__(
        self,
        hardware,
        count,
        storage,
        queue,
        clock,
        configuration,
        authorization,
        limit=None,
        resume=False,
        measuring=None,
    ):
        self.hardware = hardware
        self.queue = queue
        self.clock = clock
        self.configuration = configuration
        self.authorization = authorization
        self.limit = limit
        self.measuring = measuring
        # Those of the hardware hear also what a power-up brings.
        self.listeners = list(hardware.listeners)
        self.calls = []  # triggered ones, and Authorize
        self._storage = storage
        self.resetting = None  # (hard, the uptime of it at the latest, or None: it happened)
        self._reported = {}  # by connector: the status that the central system knows
        self._changed = {}  # by connector: the uptime of the last change of its status
        self.connectors = [Connector(number + 1) for number in range(count)]
        self._load_availability()
        queue.on_started, queue.on_stopped = self._started, self._stopped
        for transaction in list(queue.open):
            self._after_power_cut(transaction, resume)
        for connector in self.connectors:
            self.settle(connector)

    # small helpers

    def connector(self, number):
        """The connector of a number; None when there is none.

        number: int."""
        if 1 <= number <= len(self.connectors):
            return self.connectors[number - 1]
        return None

    def settle(self, connector):
        """Have everything follow from what is known of a connector.

        connector: a Connector."""
        if (
            connector.tag is not None
            and connector.plugged
            and connector.local is None
            and not connector.fault
            and connector.operative
        ):
            self._start(connector)
        if self.limit is None:
            connector.settle(self.hardware, None, self.say)
            return
        # A limit may be for all together: who gets less comes before who gets more.
        limits = []
        for each in self.connectors:
            limit = 0 if each.local is None else self.limit(each.number, each.local)
            limits.append((limit, each))
        for more in (False, True):
            for limit, each in limits:
                if (limit is None or limit > each.amperes) is more:
                    each.settle(self.hardware, limit, self.say)

    def say(self, kind, number, value):
        """Tell the listeners of a change; see above.

        kind: str. number: of the connector, int. value: what is new."""
        if kind == "status":
            self._changed[number] = self.clock.uptime()
        for listener in self.listeners:
            listener(kind, number, value)

    # what the hardware reports

    def plugged(self, number):
        """A cable connects a vehicle.

        number: of the connector, int."""
        connector = self.connectors[number - 1]
        if not connector.plugged:
            connector.plugged = True
            connector.finished = False
            self.settle(connector)

    def unplugged(self, number):
        """The cable was pulled at the vehicle.

        number: of the connector, int."""
        connector = self.connectors[number - 1]
        connector.plugged = connector.wants = False
        value = self.configuration.value
        if connector.local is None:
            connector.finished = False
            if connector.locked:
                connector.lock(self.hardware, False, self.say)
        elif value("StopTransactionOnEVSideDisconnect"):
            unlock = value("UnlockConnectorOnEVSideDisconnect")
            self.stop(connector, "EVDisconnected", unlock=unlock)
            return
        elif value("UnlockConnectorOnEVSideDisconnect"):
            self.settle(connector)
            connector.lock(self.hardware, False, self.say)
        self.settle(connector)

    def ready(self, number, wants=True):
        """The vehicle is ready for energy, or not.

        number: of the connector, int. wants: bool."""
        connector = self.connectors[number - 1]
        connector.wants = wants
        self.settle(connector)

    def paused(self, number):
        """The vehicle wants no energy for now.

        number: of the connector, int."""
        self.ready(number, False)

    def fault(self, number, error_code, info=""):
        """Something is wrong: no energy flows from now on.

        number: of the connector, int. error_code: a ChargePointErrorCode, str. info: str, at
        most 50 characters of it are sent."""
        connector = self.connectors[number - 1]
        if (connector.fault, connector.info) != (error_code, info):
            connector.fault = error_code
            connector.info = info
            self._reported.pop(number, None)
            self.settle(connector)

    def cleared(self, number):
        """What was wrong is over.

        number: of the connector, int."""
        connector = self.connectors[number - 1]
        connector.fault = connector.info = None
        self.settle(connector)

    def tag(self, number, id_tag):
        """A card was shown: it starts, or stops.

        number: of the connector, int. id_tag: str, at most 20 characters."""
        connector = self.connectors[number - 1]
        if connector.local is not None:
            if same(id_tag, connector.id_tag):
                self.stop(connector, "Local", id_tag)
            elif connector.group is not None:
                local = connector.local

                def decided(accepted, parent):
                    if connector.local == local and same(parent, connector.group) and accepted:
                        self.stop(connector, "Local", id_tag)

                self.authorize(id_tag, decided)
        elif connector.locked and same(id_tag, connector.id_tag):
            # Stopped by pulling the cable at the vehicle: now it comes out here, too.
            connector.lock(self.hardware, False, self.say)
            connector.finished = False
            self.settle(connector)
        elif connector.operative and not connector.fault and connector.tag is None:

            def allowed(accepted, parent):
                if accepted:
                    self.prepare(connector, id_tag, parent)

            self.authorize(id_tag, allowed)

    # authorisation

    def authorize(self, id_tag, decided):
        """Find out whether an idTag may charge.

        id_tag: str. decided: function(accepted, parentIdTag), called now or after an Authorize.
        """
        rules, utc = self.authorization, self.clock.utc()
        found = rules.before_asking(id_tag, utc)
        if found is None and not self.online:
            found = rules.offline(id_tag, utc)
        if found is not None:
            decided(*found)
            return

        def answered(payload):
            info = payload["idTagInfo"]
            accepted = info["status"] == "Accepted"
            rules.learn(id_tag, info)
            decided(accepted, info.get("parentIdTag"))

        def failed(_code):
            decided(*rules.offline(id_tag, self.clock.utc()))

        self.calls.append(Call("Authorize", {"idTag": id_tag}, answered, failed))

    def prepare(self, connector, id_tag, parent=None, profile=None):
        """Begin with an idTag that was accepted: a transaction follows with the cable.

        connector: a Connector. id_tag: str. parent: its parentIdTag, or None. profile: the
        charging profile of a RemoteStart, or None."""
        if connector.local is not None or connector.fault or not connector.operative:
            return
        connector.tag = id_tag
        connector.parent = parent
        connector.profile = profile
        connector.until = self.clock.uptime() + self.configuration.value("ConnectionTimeOut")
        self.settle(connector)

    # transactions

    def _start(self, connector):
        number = connector.number
        id_tag, connector.id_tag = connector.tag, connector.tag
        profile = connector.profile
        connector.group = connector.parent
        connector.forget_tag()
        connector.blocked = connector.finished = False
        connector.sampled_at = self.clock.uptime()
        connector.begun = connector.sampled_at, self.clock.boot
        connector.local = self.queue.start(number, id_tag, self.hardware.energy(number))
        if profile is not None and self.charging is not None:
            self.charging.begin(connector, profile)
        self.say("message", number, "StartTransaction")
        if self.measuring:
            self.measuring.keep(self, connector, "Sampled", "Transaction.Begin")

    def _after_power_cut(self, transaction, resume):
        connector = self.connector(transaction.connector)
        if resume and connector is not None:
            connector.local = transaction.local
            connector.id_tag = transaction.id_tag
            connector.begun = transaction.begun
            connector.sampled_at = self.clock.uptime()
            if self.measuring and self.configuration.value("MeterValueSampleInterval"):
                self.measuring.take(self, connector, "Sampled", "Interruption.End")
            return
        meter = transaction.last_meter
        if connector is not None:
            # A register that lost its count must not make the bill smaller than what was told.
            meter = max(meter, self.hardware.energy(connector.number))
        self.queue.stop(transaction.local, meter, "PowerLoss")
        self.say("message", transaction.connector, "StopTransaction")

    def stop(self, connector, reason, id_tag=None, unlock=True):
        """End the transaction of a connector: no energy flows before this is on the flash.

        connector: a Connector. reason: of OCPP, str; "Local" is not sent. id_tag: of who stopped
        it. unlock: whether the plug is set free.
        """
        local = connector.local
        if local is None:
            return
        number = connector.number
        connector.blocked = True
        connector.settle(self.hardware, None, self.say)
        if self.measuring:
            self.measuring.keep(self, connector, "Sampled", "Transaction.End")
        self.queue.stop(local, self.hardware.energy(number), reason, id_tag)
        connector.local = None
        connector.finished = True
        connector.blocked = False
        if connector.after is not None:
            self.set_operative(connector, connector.after)
        if unlock and connector.locked:
            connector.lock(self.hardware, False, self.say)
        self.say("message", number, "StopTransaction")
        self.settle(connector)

    def _started(self, local, transaction_id, info):
        # StartTransaction.conf.
        connector = self.connector_of(local)
        if connector is None:
            return
        self.authorization.learn(connector.id_tag, info)
        if info.get("status") != "Accepted":
            if self.configuration.value("StopTransactionOnInvalidId"):
                self.stop(connector, "DeAuthorized")
            else:
                connector.blocked = True
                self.settle(connector)
        elif info.get("parentIdTag") is not None:
            connector.group = info["parentIdTag"]

    def _stopped(self, id_tag, info):
        # StopTransaction.conf.
        if id_tag is not None and info:
            self.authorization.learn(id_tag, info)

    def connector_of(self, local):
        """The connector with a transaction, by its number in the queue; None when there is none.

        local: int or None."""
        for connector in self.connectors:
            if local is not None and connector.local == local:
                return connector
        return None

    # what the central system asks

    def call(self, action, payload):
        """Serve a call of the central system; see `actions`.

        action: str. payload: what JSON had there.

        Raises:
            CallError: it is answered with a CALLERROR."""
        return once("chargepoint.actions").call(self, action, payload)

    def set_operative(self, connector, operative, save=True):
        """Whether a connector may be used from now on.

        connector: a Connector. operative: bool. save: whether that is kept at once."""
        connector.operative = operative
        connector.after = None
        if not operative:
            connector.forget_tag()
            connector.finished = False
        if save:
            self.save_availability()

    def _load_availability(self):
        found = self._storage.load(_AVAILABILITY)
        if isinstance(found, list):
            self.operative = found[:1] != [0]
            for connector in self.connectors:
                # A scheduled one is due now: its transaction ended with the power.
                if connector.number < len(found):
                    connector.operative = found[connector.number] == 1

    def save_availability(self):
        """Keep what may be used, over power cuts."""
        # 1: operative; 0: not; 2: not, once the transaction is over.
        values = [int(self.operative)]
        for connector in self.connectors:
            values.append(2 if connector.after is False else int(connector.operative))
        self._storage.save(_AVAILABILITY, values)

    # time, and what is to be said

    def tick(self):
        """Do what time asks for; returns the seconds after which to call again, at least 1."""
        now = self.clock.uptime()
        soonest = _FAR
        if not self.online:
            # A card waits for no connection: by then somebody else may have plugged in.
            for call in [each for each in self.calls if each.error]:
                self.calls.remove(call)
                call.error(None)
        for connector in self.connectors:
            if connector.tag is not None and connector.local is None:
                if now >= connector.until:
                    # Nobody came: a later cable must not start what was given up.
                    connector.forget_tag()
                else:
                    soonest = min(soonest, connector.until - now)
            self.settle(connector)
            if connector.status != self._reported.get(connector.number):
                soonest = min(soonest, max(1, self._due(connector.number) - now))
        if self.charging is not None:
            soonest = min(soonest, self.charging.wait())
        if self.measuring:
            soonest = min(soonest, self.measuring.tick(self, now))
        if self.resetting:
            hard, latest = self.resetting
            if latest is not None and (now >= latest or not self.queue.waiting):
                # Nothing begins any more, should the hardware take its time.
                self.resetting = hard, None
                self.hardware.reset(hard)
            soonest = 1
        return soonest

    def _due(self, number):
        return self._changed.get(number, 0) + self.configuration.value("MinimumStatusDuration")

    def report_all(self):
        """Tell each status anew: the central system has just accepted this charging point."""
        self._reported.clear()

    def trigger_status(self, number):
        """Tell the status of a connector, whether it changed or not.

        number: of the connector, 0 for the charging point."""
        self.calls.append(Call("StatusNotification", lambda: self.status_payload(number)))

    def next_call(self):
        """The next own call that is none of the queue's; None when there is none."""
        if self.calls:
            return self.calls.pop(0)
        if not self.online:
            return None
        now = self.clock.uptime()
        for number in range(len(self.connectors) + 1):
            known = self._reported.get(number)
            if self._status(number) != known and (known is None or now >= self._due(number)):
                return self._status_call(number)
        return None

    def _status(self, number):
        if number:
            return self.connectors[number - 1].status
        return "Available" if self.operative else "Unavailable"

    def _status_call(self, number):
        # It says what holds when it is sent; what fails is said again.
        self._reported[number] = self._status(number)
        return Call(
            "StatusNotification",
            lambda: self.status_payload(number),
            None,
            lambda _code: self._reported.pop(number, None),
        )

    def status_payload(self, number):
        """StatusNotification.req for the present state.

        number: of the connector, 0 for the charging point."""
        status = self._reported[number] = self._status(number)
        payload = {"connectorId": number, "errorCode": "NoError", "status": status}
        connector = self.connector(number)
        if connector is not None and connector.fault:
            payload["errorCode"] = connector.fault
            if connector.info:
                payload["info"] = connector.info[:50]
        if self.clock.utc() is not None:
            payload["timestamp"] = timestamps.format(self.clock.utc())
        return payload
