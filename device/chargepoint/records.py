"""The records of transactions on the flash: small, since a 16 KiB journal holds eight hours.

Each begins with its number, as `webpubsub.journal` wants it, and its kind. A transaction is known
by the number of its start, `local`, until the central system gives it an id.
"""

from struct import pack, unpack_from

from webpubsub.compat import const

START = const(0x53)  # S: when, connector, register, idTag
IDENTITY = const(0x49)  # I: transaction id, connector, register, idTag; the start is over then
STOP = const(0x58)  # X: when, register, reason, idTag
VALUE = const(0x80)  # when, context, values; its lowest bits say what is in it
_CONTEXT = const(0x07)
_BY_UPTIME = const(0x10)  # the boot follows the stamp
_OUTSIDE = const(0x20)  # of no transaction: the connector is there instead
_KEPT = const(0x40)  # goes with the stop of its transaction, and is no message

_HEAD = const("<IBIIH")  # number, kind, local, stamp, boot
_HEAD_SIZE = const(15)
_VALUE = const("<IBHI")  # number, kind, the lower half of local or the connector, stamp
_VALUE_SIZE = const(11)
_UNIX = const(1000000000)  # no uptime

# As they are in records: new ones go to the end. OCPP 1.6, section 7.36 (Reason) and 7.32
# (ReadingContext).
REASONS = (
    "Local",
    "DeAuthorized",
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
)
CONTEXTS = (
    "Sample.Periodic",
    "Sample.Clock",
    "Transaction.Begin",
    "Transaction.End",
    "Trigger",
    "Interruption.Begin",
    "Interruption.End",
    "Other",
)


def kind_of(body):
    """START, IDENTITY, STOP or VALUE.

    body: bytes-like, the beginning is enough."""
    return min(body[4], VALUE)


def is_kept(body):
    """Whether a record is a VALUE that goes with the stop of its transaction.

    body: bytes-like, the beginning is enough."""
    return body[4] & (VALUE | _KEPT) == VALUE | _KEPT


def group_of(body):
    """What the values of one transaction, or of one connector outside of any, have in common.

    body: of a VALUE, bytes-like, the beginning is enough."""
    return bytes((body[4] & (_KEPT | _OUTSIDE), body[5], body[6]))


def kept_group(local):
    """`group_of` for the values that go with the stop of a transaction.

    local: the transaction, int."""
    return bytes((_KEPT, local & 0xFF, local >> 8 & 0xFF))


def belongs_to(body, local):
    """Whether a record is one of a transaction.

    body: bytes-like, the beginning is enough. local: the transaction, int."""
    if body[4] < VALUE:
        return unpack_from("<I", body, 5)[0] == local
    return not body[4] & _OUTSIDE and unpack_from("<H", body, 5)[0] == local & 0xFFFF


def local_of(body):
    """The transaction of a record that is no VALUE, an int.

    body: bytes-like, the beginning is enough."""
    return unpack_from("<I", body, 5)[0]


def when(body):
    """(stamp, boot) of a record; see `clock`. Of a stamp in Unix time the boot says nothing.

    body: bytes-like."""
    if body[4] < VALUE:
        return unpack_from("<IH", body, 9)
    stamp = unpack_from("<I", body, 7)[0]
    return stamp, unpack_from("<H", body, _VALUE_SIZE)[0] if body[4] & _BY_UPTIME else 0


def start(number, stamp, boot, connector, meter, id_tag):
    """A START, whose number is that of the transaction.

    number, stamp, boot, connector, meter: int; meter in Wh. id_tag: str."""
    return (
        pack(_HEAD, number, START, number, stamp, boot)
        + pack("<Bi", connector, meter)
        + id_tag.encode()
    )


def identity(number, local, stamp, boot, transaction_id, connector, meter, id_tag):
    """An IDENTITY.

    local: the transaction. transaction_id: int, any of 32 bits. number, stamp, boot, connector,
    meter, id_tag: as for `start`."""
    return (
        pack(_HEAD, number, IDENTITY, local, stamp, boot)
        + pack("<Bii", connector, meter, transaction_id)
        + id_tag.encode()
    )


def stop(number, local, stamp, boot, meter, reason, id_tag):
    """A STOP.

    reason: of REASONS. id_tag: str or None. number, local, stamp, boot, meter: as for
    `identity`."""
    return (
        pack(_HEAD, number, STOP, local, stamp, boot)
        + pack("<Bi", REASONS.index(reason), meter)
        + (id_tag or "").encode()
    )


def value(number, local, stamp, boot, connector, context, samples, kept=False):
    """A VALUE: 16 bytes with one measurand, 5 for each further one.

    local: None outside of transactions. connector: counts then. context: of CONTEXTS. samples:
    tuples of (measurand and phase, value): an index below 256, and an int of 32 bits. kept:
    whether it goes with the stop of its transaction. number, stamp, boot: as for `identity`."""
    kind = VALUE | CONTEXTS.index(context)
    if kept:
        kind |= _KEPT
    if local is None:
        kind |= _OUTSIDE
        local = connector
    if stamp < _UNIX:
        kind |= _BY_UPTIME
    body = pack(_VALUE, number, kind, local & 0xFFFF, stamp)
    if stamp < _UNIX:
        body += pack("<H", boot)
    for measurand, amount in samples:
        body += pack("<Bi", measurand, amount)
    return body


def read_start(body):
    """(connector, meter, idTag) of a START.

    body: bytes."""
    connector, meter = unpack_from("<Bi", body, _HEAD_SIZE)
    return connector, meter, str(body[_HEAD_SIZE + 5 :], "utf-8")


def read_identity(body):
    """(connector, meter, transaction id, idTag) of an IDENTITY.

    body: bytes."""
    connector, meter, transaction_id = unpack_from("<Bii", body, _HEAD_SIZE)
    return connector, meter, transaction_id, str(body[_HEAD_SIZE + 9 :], "utf-8")


def read_stop(body):
    """(meter, reason, idTag or None) of a STOP.

    body: bytes."""
    reason, meter = unpack_from("<Bi", body, _HEAD_SIZE)
    return meter, REASONS[reason], str(body[_HEAD_SIZE + 5 :], "utf-8") or None


def read_value(body):
    """(connector or None, context, samples) of a VALUE; see `value`.

    body: bytes."""
    kind = body[4]
    samples = []
    for at in range(_VALUE_SIZE + (2 if kind & _BY_UPTIME else 0), len(body), 5):
        samples.append(unpack_from("<Bi", body, at))
    connector = unpack_from("<H", body, 5)[0] if kind & _OUTSIDE else None
    return connector, CONTEXTS[kind & _CONTEXT], samples
