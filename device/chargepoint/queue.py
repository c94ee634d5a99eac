"""What must reach the central system once and in order: starts, values and stops of transactions.

OCPP 1.6, section 3.7.1. A start, a stop and the id of a transaction are on the flash when the call
is over; values wait in memory for a few of their kind. JSON is made when a message is sent.
"""

from webpubsub.compat import const
from webpubsub.journal import Journal, number_of

from . import records, timestamps
from .calls import Call

# So many values are worth a write; with a power cut the last few are lost, and no Wh with them.
_BATCH = const(8)
# So many values at most go with a stop: all of that message is in memory at once.
_KEPT = const(16)
# The id of a transaction whose start was refused for good (errata 3.18).
_NEVER = const(-1)


class Transaction:
    """One that has begun, and whose end is not on the flash.

    local: its number here. connector, id_tag, meter_start: as it began. begun: (stamp, boot) of
    that, see `Clock`. last_meter: the highest register that is known, in Wh. transaction_id: None
    until the central system gave one.
    """

    transaction_id = None

    def __init__(self, local, connector, id_tag, meter_start, begun):
        self.local = local
        self.begun = begun
        self.connector = connector
        self.id_tag = id_tag
        self.meter_start = self.last_meter = meter_start


class TransactionQueue:
    """The messages of transactions, oldest first.

    path: of the journal's file, for this object alone. configuration: a Configuration. clock: a
    Clock. measuring: `sampled(samples)` gives a sampledValue of them, `meter_of(samples)` the
    register among them in Wh or None. limit: bytes of messages that are kept.

    open: the Transactions that have no end yet. on_started(local, transaction_id, idTagInfo),
    on_stopped(id_tag, idTagInfo): who wants to know what was answered. refused: messages that were
    given up after CALLERRORs; thinned: values for which there was no room; failures: writes
    that failed, after which what is new is kept in memory.

    Raises:
        OSError: the file is there and cannot be read.
    """

    on_started = on_stopped = None

    def __init__(self, path, configuration, clock, measuring, limit=16384):
        self._journal = journal = Journal(path, limit)
        self._configuration = configuration
        self._clock = clock
        self._measuring = measuring
        self._ids = {}  # by local: the transaction id
        self._kept = {}  # by transaction: how many values go with its stop
        self._sent = 0  # how often the head was answered with a CALLERROR
        self._pause_until = 0
        self._flying = False
        self.refused = self.thinned = self.failures = 0
        self.open = []
        starts, ended, kept = {}, [], []

        def look(body, size):
            journal.count += 1
            journal.size += size
            kind = records.kind_of(body)
            if kind == records.START:
                connector, meter, id_tag = records.read_start(body)
                starts[number_of(body)] = size
                self.open.append(
                    Transaction(number_of(body), connector, id_tag, meter, records.when(body))
                )
            elif kind == records.IDENTITY:
                self._found_identity(body)
            elif kind == records.STOP:
                ended.append(bytes(body))
            else:
                self._found_value(body)
                if records.is_kept(body):
                    kept.append((records.group_of(body), number_of(body), size))
            return False

        journal.find(look)
        for local in self._ids:
            if local in starts:
                # The power went when the id was there, and not yet that the start is over.
                journal.over(local, starts[local])
        self.open = [
            each
            for each in self.open
            if not any(records.belongs_to(body, each.local) for body in ended)
        ]
        self._count_kept(kept, ended)

    def _count_kept(self, kept, ended):
        known = {records.kept_group(each.local) for each in self.open}
        known |= {records.kept_group(records.local_of(body)) for body in ended}
        for group, number, size in kept:
            if group in known:
                self._kept[group] = self._kept.get(group, 0) + 1
            else:
                # Of a transaction whose records were damaged.
                self._journal.over(number, size)

    def _found_identity(self, body):
        connector, meter, transaction_id, id_tag = records.read_identity(body)
        for transaction in self.open:
            if records.belongs_to(body, transaction.local):
                break
        else:
            # The start is over already, and this stands for it.
            transaction = Transaction(
                records.local_of(body), connector, id_tag, meter, records.when(body)
            )
            self.open.append(transaction)
        transaction.transaction_id = self._ids[transaction.local] = transaction_id

    def _found_value(self, body):
        for transaction in self.open:
            if records.belongs_to(body, transaction.local):
                meter = self._measuring.meter_of(records.read_value(body)[2])
                transaction.last_meter = max(transaction.last_meter, meter or 0)

    # what happens here

    @property
    def waiting(self):
        """How many messages are not delivered."""
        return self._journal.count - len(self._ids) - sum(self._kept.values())

    def start(self, connector, id_tag, meter_start):
        """A transaction begins; returns its number here.

        connector: int. id_tag: str. meter_start: Wh, int."""
        stamp, boot = self._clock.stamp(), self._clock.boot
        local = self._journal.next
        self._put(records.start(local, stamp, boot, connector, meter_start, id_tag))
        self._write()
        self.open.append(Transaction(local, connector, id_tag, meter_start, (stamp, boot)))
        return local

    def values(self, local, connector, context, samples, kept=False):
        """Values were measured.

        local: the transaction, or None outside of one. connector, context, samples: as for
        `records.value`. kept: whether they go with the stop of the transaction, and are no message
        of their own."""
        stamp, boot = self._clock.stamp(), self._clock.boot
        number = self._journal.next
        self._put(records.value(number, local, stamp, boot, connector, context, samples, kept))
        if kept:
            group = records.kept_group(local)
            self._kept[group] = self._kept.get(group, 0) + 1
            if self._kept[group] > _KEPT:
                self._thin(group)
        meter = self._measuring.meter_of(samples)
        for transaction in self.open:
            if transaction.local == local and meter is not None:
                transaction.last_meter = max(transaction.last_meter, meter)
        if len(self._journal.memory) >= _BATCH:
            self._write()

    def stop(self, local, meter_stop, reason="Local", id_tag=None):
        """A transaction ends; once, whoever says so again.

        local: its number here. meter_stop: Wh, int. reason: of OCPP, str. id_tag: of who ended it,
        or None."""
        for transaction in self.open:
            if transaction.local == local:
                stamp, boot = self._clock.stamp(), self._clock.boot
                number = self._journal.next
                self._put(records.stop(number, local, stamp, boot, meter_stop, reason, id_tag))
                self._write()
                self.open.remove(transaction)
                break

    def transaction_id(self, local):
        """The id that the central system gave a transaction, an int; None before.

        local: its number here."""
        return self._ids.get(local)

    def local_of(self, transaction_id):
        """The number here of a transaction that runs; None when there is none.

        transaction_id: int."""
        for transaction in self.open:
            if transaction.transaction_id == transaction_id:
                return transaction.local
        return None

    # the journal

    def _put(self, body):
        journal = self._journal
        if journal.size + len(body) > journal.limit:
            self._thin()
        journal.memory.append(body)
        journal.next += 1
        journal.count += 1
        journal.size += len(body)

    def _write(self):
        try:
            self._journal.write()
        except (OSError, MemoryError):
            # All stays in memory, and goes with the next write if there is room then.
            self.failures += 1

    def _over(self, body):
        self._journal.over(number_of(body), len(body))

    def _thin(self, only=None):
        # Every second value of those that are neither the first nor the last of a transaction.
        journal = self._journal
        values = {}  # by transaction, or connector: (number, size) of each

        def look(body, size):
            if records.kind_of(body) == records.VALUE:
                group = records.group_of(body)
                if only is None or group == only:
                    values.setdefault(group, []).append((number_of(body), size))
            return False

        journal.find(look)
        for group, found in values.items():
            for number, size in found[1:-1:2]:
                if self._flying and number == self._flying:
                    continue
                journal.over(number, size)
                self.thinned += 1
                if group in self._kept:
                    self._kept[group] -= 1

    # what goes out

    def next(self):
        """The Call of the oldest message; None when there is none, or its time has not come."""
        # Nothing is sent of which nobody knows when it was.
        if self._flying or self._clock.utc() is None or self._clock.uptime() < self._pause_until:
            return None
        body = self._journal.find(_is_message)
        if body is None:
            return None
        self._flying = number_of(body)
        kind = records.kind_of(body)
        if kind == records.START:
            action, make, result = "StartTransaction", self._start_payload, self._started
        elif kind == records.STOP:
            action, make, result = "StopTransaction", self._stop_payload, self._stopped
        else:
            action, make, result = "MeterValues", self._values_payload, self._taken
        return Call(
            action,
            lambda: make(body),
            lambda payload: self._answered(body, result, payload),
            lambda code: self._failed(body, code),
        )

    def wait(self):
        """Seconds until `next` may give something; a day when only something new can change it."""
        if self._flying or not self.waiting:
            return 86400
        return max(0, self._pause_until - self._clock.uptime())

    def _answered(self, body, result, payload):
        result(body, payload)
        self._flying = False
        self._sent = 0

    def _failed(self, body, code):
        self._flying = False
        if code is None:
            # No answer is no failure to process (OCPP-J errata): it stays the first one.
            return
        self._sent += 1
        value = self._configuration.value
        if self._sent < value("TransactionMessageAttempts"):
            pause = value("TransactionMessageRetryInterval") * self._sent
            self._pause_until = self._clock.uptime() + pause
            return
        self.refused += 1
        self._sent = 0
        if records.kind_of(body) == records.START:
            self._identify(body, _NEVER)
        elif records.kind_of(body) == records.STOP:
            self._forget(body)
        else:
            self._over(body)

    def _identify(self, body, transaction_id):
        # On the flash before anything carries it, and together with the end of the start.
        connector, meter, id_tag = records.read_start(body)
        local = number_of(body)
        stamp, boot = records.when(body)
        journal = self._journal
        self._ids[local] = transaction_id
        new = records.identity(
            journal.next, local, stamp, boot, transaction_id, connector, meter, id_tag
        )
        self._put(new)
        self._over(body)
        self._write()
        for transaction in self.open:
            if transaction.local == local:
                transaction.transaction_id = transaction_id

    def _forget(self, body):
        # The transaction of a stop is over, and its id with it.
        local = records.local_of(body)
        found = self._journal.find(
            lambda head, _: (
                records.kind_of(head) == records.IDENTITY and records.local_of(head) == local
            )
        )
        self._over(body)
        if found is not None:
            self._over(found)
        for value in self._kept_of(local):
            self._over(value)
        self._kept.pop(records.kept_group(local), None)
        self._ids.pop(local, None)
        self._write()

    def _kept_of(self, local):
        # The values that go with a stop, as records.
        found, group = [], records.kept_group(local)

        def look(body, size):
            if records.kind_of(body) == records.VALUE and records.group_of(body) == group:
                found.append(bytes(body[:size]))
            return False

        if group in self._kept:
            self._journal.find(look)
        return found

    # the messages, and their answers

    def _time(self, body):
        seconds = self._clock.true(*records.when(body))
        return timestamps.format(self._clock.utc() if seconds is None else seconds)

    def _id_of(self, body):
        for local in self._ids:
            if records.belongs_to(body, local):
                return self._ids[local]
        return _NEVER

    def _start_payload(self, body):
        connector, meter, id_tag = records.read_start(body)
        return {
            "connectorId": connector,
            "idTag": id_tag,
            "meterStart": meter,
            "timestamp": self._time(body),
        }

    def _started(self, body, payload):
        transaction_id, info = payload["transactionId"], payload["idTagInfo"]
        if isinstance(transaction_id, bool) or not isinstance(transaction_id, int):
            raise TypeError
        _ = info["status"]  # KeyError before anything is done
        self._identify(body, transaction_id)
        if self.on_started:
            self.on_started(number_of(body), transaction_id, info)

    def _stop_payload(self, body):
        meter, reason, id_tag = records.read_stop(body)
        payload = {
            "transactionId": self._id_of(body),
            "meterStop": meter,
            "timestamp": self._time(body),
        }
        if reason != "Local":
            payload["reason"] = reason
        if id_tag is not None:
            payload["idTag"] = id_tag
        values = [self._meter_value(value) for value in self._kept_of(records.local_of(body))]
        if values:
            payload["transactionData"] = values
        return payload

    def _meter_value(self, body):
        _, context, samples = records.read_value(body)
        return {
            "timestamp": self._time(body),
            "sampledValue": self._measuring.sampled(samples, context),
        }

    def _stopped(self, body, payload):
        id_tag = records.read_stop(body)[2]
        self._forget(body)
        if self.on_stopped:
            self.on_stopped(id_tag, payload.get("idTagInfo"))

    def _values_payload(self, body):
        connector = records.read_value(body)[0]
        payload = {}
        if connector is None:
            payload["transactionId"] = self._id_of(body)
            connector = self._connector_of(body)
        payload["connectorId"] = connector
        payload["meterValue"] = [self._meter_value(body)]
        return payload

    def _connector_of(self, body):
        for transaction in self.open:
            if records.belongs_to(body, transaction.local):
                return transaction.connector
        found = self._journal.find(
            lambda head, _: (
                records.kind_of(head) == records.IDENTITY
                and records.belongs_to(body, records.local_of(head))
            )
        )
        return records.read_identity(found)[0] if found is not None else 0

    def _taken(self, body, _payload):
        self._over(body)
        if self._journal.dirty and not self.waiting:
            self._write()


def _is_message(body, _size):
    # Whether a record is one to send.
    return records.kind_of(body) != records.IDENTITY and not records.is_kept(body)
