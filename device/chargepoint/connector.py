"""One connector: cable, vehicle, transaction, and what follows from them.

The status (OCPP 1.6, section 4.9), what the control pilot offers, and whether contactor and lock
are closed are never set by anybody: `settle` works them out of what is known, after each change.
So the contactor cannot be closed without a cable, a transaction and an offered current.
"""

from webpubsub.compat import const

# A vehicle takes no less (IEC 61851-1, table A.8).
_LEAST = const(6)


class Connector:
    """What is known of a connector, and what was last asked of the hardware.

    number: from 1 on. plugged: whether a cable connects it to a vehicle. wants: whether the
    vehicle is ready for energy. fault: a ChargePointErrorCode, or None; info: text about it.
    tag: the idTag that is to start the next transaction, or None; parent: its parentIdTag; until:
    the uptime when that is given up; profile: of the RemoteStart, for its transaction. local: the
    number of the running transaction in the queue, or None; begun: (stamp, boot) of its beginning,
    see `Clock`; its id_tag and group, which is the parentIdTag. blocked: whether the transaction
    gets no energy any more. operative: whether it may be used; after: whether it shall be once its
    transaction is over, None for no change. finished: whether a transaction is over and the cable
    still there.

    status, amperes, closed, locked: as they are now. sampled_at: the uptime of the last values of
    its transaction.
    """

    plugged = wants = blocked = finished = closed = locked = False
    fault = info = tag = parent = until = profile = local = id_tag = group = after = begun = None
    operative = True
    status = None
    amperes = sampled_at = 0

    def __init__(self, number):
        self.number = number

    def status_now(self):
        """The status that follows from what is known: a ChargePointStatus."""
        if self.fault:
            return "Faulted"
        if self.local is not None:
            # SuspendedEVSE wins (OCPP 1.6, section 4.9).
            if not self.amperes:
                return "SuspendedEVSE"
            return "Charging" if self.wants and self.plugged else "SuspendedEV"
        if not self.operative:
            return "Unavailable"
        if self.tag is not None:
            return "Preparing"
        if self.finished and (self.plugged or self.locked):
            return "Finishing"
        return "Preparing" if self.plugged else "Available"

    def settle(self, hardware, limit, say):
        """Have the hardware do what follows from what is known.

        hardware: a Hardware. limit: A that the transaction may have, or None for no limit. say:
        function(kind, connector, value) that is told each change: "contactor", "offer", "lock" or
        "status".
        """
        amperes = 0
        if self.local is not None and not self.fault and not self.blocked:
            amperes = hardware.maximum
            if limit is not None and limit < amperes:
                amperes = limit
            if amperes < _LEAST:
                amperes = 0
        closed = bool(amperes and self.plugged and self.wants)
        # What opens comes first, and what closes last.
        if self.closed and not closed:
            self._switch(hardware, False, say)
        if amperes != self.amperes:
            self.amperes = amperes
            hardware.offer(self.number, amperes)
            say("offer", self.number, amperes)
        if self.local is not None and self.plugged and not self.locked:
            self.lock(hardware, True, say)
        if closed and not self.closed:
            self._switch(hardware, True, say)
        status = self.status_now()
        if status != self.status:
            self.status = status
            say("status", self.number, status)

    def _switch(self, hardware, closed, say):
        # The flag last when it closes, first when it opens: an error of the hardware must not
        # leave a contactor behind that nobody opens any more.
        if closed:
            self.closed = True
        hardware.contactor(self.number, closed)
        self.closed = closed
        say("contactor", self.number, closed)

    def lock(self, hardware, locked, say):
        """Lock or unlock the plug; whether that worked.

        hardware, say: as for `settle`. locked: bool."""
        if hardware.fixed_cable:
            return False
        if hardware.lock(self.number, locked) is False:
            return False
        if locked != self.locked:
            self.locked = locked
            say("lock", self.number, locked)
        return True

    def forget_tag(self):
        """Give up what was to start the next transaction."""
        self.tag = self.parent = self.until = self.profile = None
