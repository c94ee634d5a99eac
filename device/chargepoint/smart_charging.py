"""Charging profiles: what a transaction may draw at the moment, and when that changes.

OCPP 1.6, section 3.13. What the central system asks about them is in `profile_calls`.

A profile is a list of whole numbers, so that it is small here and on the flash: its items are
those below, then three for each period: start in seconds, limit in tenths, phases or 0. Times are
Unix seconds, limits tenths of A per phase or of W; None where nothing was said.
"""

from webpubsub.compat import const

_CONNECTOR = const(0)
_ID = const(1)
_PURPOSE = const(2)
_STACK = const(3)
_KIND = const(4)
_EVERY = const(5)  # seconds after which a recurring one begins anew; else 0
_VALID_FROM = const(6)
_VALID_TO = const(7)
_START = const(8)
_DURATION = const(9)
_IN_WATTS = const(10)
_LEAST = const(11)
_LOCAL = const(12)  # the transaction of a TxProfile
_PERIODS = const(13)

# Purposes and kinds, as they are numbered in a profile.
_MAXIMUM = const(0)
_DEFAULT = const(1)
_TRANSACTION = const(2)
_RELATIVE = const(2)

# Seconds after which nobody looks.
_FAR = const(0x3FFFFFFF)
# Tenths of A: a vehicle takes no less (IEC 61851-1).
_SIX = const(60)
_NAME = "profiles"

KEYS = {
    "ChargeProfileMaxStackLevel": 9,
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "ChargingScheduleMaxPeriods": 24,
    "MaxChargingProfilesInstalled": 12,
}


class SmartCharging:
    """The profiles of a charging point.

    storage: a Storage. configuration: a Configuration with KEYS. clock: a Clock. hardware: a
    Hardware, whose `voltage` and `phases` turn W into A.

    profiles: lists, see above. refused: how many there was no room for. While the time is not
    known, a profile that depends on it counts with its lowest limit.
    """

    def __init__(self, storage, configuration, clock, hardware):
        self._storage = storage
        self._clock = clock
        self.configuration = configuration
        self.hardware = hardware
        self.refused = 0
        self._core = self._known = None
        self._limits = {}
        self._until = 0
        found = storage.load(_NAME)
        self.profiles = found if isinstance(found, list) else []

    def attach(self, core):
        """Belong to a core from now on, whose `limit` is that of this object.

        core: a Core, just made: its transactions are those that outlived a power cut."""
        self._core = core
        core.charging = self
        self._sort_out()
        self.changed()

    # the profiles

    def running(self, number):
        """The transaction on a connector: its number in the queue, or None.

        number: of the connector, int."""
        connector = self._core.connector(number)
        return None if connector is None else connector.local

    def _sort_out(self):
        # A TxProfile goes with its transaction; the flash hears of it with the next change, and
        # at power-up nothing but what goes on then is looked for.
        self.profiles = [
            each
            for each in self.profiles
            if each[_PURPOSE] != _TRANSACTION or self.running(each[_CONNECTOR]) == each[_LOCAL]
        ]

    def place(self, profile):
        """The profiles that stay when one comes; None when there is no room for it.

        profile: a list, see above."""
        self._sort_out()
        utc = self._clock.utc()
        kept = [
            each
            for each in self.profiles
            if each[_ID] != profile[_ID]
            and (each[_CONNECTOR], each[_PURPOSE], each[_STACK])
            != (profile[_CONNECTOR], profile[_PURPOSE], profile[_STACK])
            # What is over for good makes room.
            and (utc is None or each[_VALID_TO] is None or utc < each[_VALID_TO])
        ]
        if len(kept) < self.configuration.value("MaxChargingProfilesInstalled"):
            return kept
        self.refused += 1
        return None

    def put(self, profile):
        """Take up a profile; whether there was room for it.

        profile: a list, see above."""
        kept = self.place(profile)
        return kept is not None and self.replace(kept + [profile])

    def replace(self, profiles, must=True):
        """Have other profiles from now on; whether that worked.

        profiles: a list of them. must: whether those before stay when the flash is full."""
        saved = self._storage.save(_NAME, profiles)
        if must and not saved:
            self.refused += 1
            return False
        self.profiles = profiles
        self.changed()
        return True

    def changed(self):
        """Have everything follow from the profiles as they are now."""
        self._known = None
        for connector in self._core.connectors:
            self._core.settle(connector)

    def begin(self, connector, profile):
        """The transaction of a RemoteStart has begun: the profile is for it.

        connector: a Connector. profile: a list without connector and transaction."""
        profile[_CONNECTOR] = connector.number
        profile[_LOCAL] = connector.local
        # There was room when it was accepted, and it must hold, whatever came in between.
        kept = self.place(profile)
        self.profiles = (self.profiles if kept is None else kept) + [profile]
        self._storage.save(_NAME, self.profiles)
        self._known = None

    # what holds now

    def limit(self, number, local):
        """The A per phase that a transaction may have, int or with tenths; None for no limit.

        number: of the connector. local: the transaction."""
        if self._core is None:
            # While the core is made nothing is plugged; what outlived the power cut comes next.
            return 0
        connectors = [each for each in self._core.connectors if each.local is not None]
        utc, now = self._clock.utc(), self._clock.uptime()
        # All that the limits depend on, beside the profiles.
        offset = None if utc is None else utc - now
        known = offset, [each.local for each in connectors]
        if known != self._known or now >= self._until:
            self._sort_out()
            self._known = known
            self._work_out(connectors, utc, now)
        tenths = self._limits.get(number)
        if tenths is None or tenths % 10:
            return tenths and tenths / 10
        return tenths // 10

    def wait(self):
        """Seconds until a limit may change, at least 1."""
        for connector in self._core.connectors:
            if connector.local is not None:
                return max(1, self._until - self._clock.uptime())
        return _FAR

    def _work_out(self, connectors, utc, now):
        # The limits of all transactions, and for how long they hold.
        wishes = []
        total, _, soonest = self.prevailing(_MAXIMUM, 0, utc, None, False)
        for connector in connectors:
            wish, least, pause = self.of_transaction(
                connector.number, utc, self.elapsed(connector), False
            )
            soonest = min(soonest, pause)
            wishes.append((connector.local, connector.number, wish, least))
        if total is None:
            self._limits = {number: wish for _, number, wish, _ in wishes}
        else:
            # Who came first is served first, should it not be enough for all.
            self._limits = _shared(total, self.hardware.maximum * 10, sorted(wishes))
        self._until = now + soonest

    def elapsed(self, connector):
        """For how many seconds a transaction has run; None when nobody knows.

        connector: a Connector that has one."""
        (stamp, boot), now = connector.begun, self._clock.uptime()
        if boot == self._clock.boot and stamp <= now:
            return now - stamp  # this needs no UTC
        utc, began = self._clock.utc(), self._clock.true(stamp, boot)
        return None if utc is None or began is None else max(0, utc - began)

    def of_transaction(self, number, at, elapsed, in_watts):
        """What profiles say to a transaction: (limit or None, least, seconds it holds).

        All in tenths.

        number: of the connector. at: Unix seconds, or None. elapsed: since the
        transaction began, or None. in_watts: whether limits are W in place of A."""
        limit, least, pause = self.prevailing(_TRANSACTION, number, at, elapsed, in_watts)
        if limit is None:
            limit, least, other = self.prevailing(_DEFAULT, number, at, elapsed, in_watts)
            pause = min(pause, other)
        return limit, least, pause

    def prevailing(self, purpose, number, at, elapsed, in_watts):
        """What the profiles of one purpose say: as `of_transaction`.

        purpose: 0 ChargePointMaxProfile, 1 TxDefaultProfile, 2 TxProfile. number, at, elapsed,
        in_watts: as for `of_transaction`."""
        found, best, soonest = (None, 0), (), _FAR
        for profile in self.profiles:
            if profile[_PURPOSE] != purpose or profile[_CONNECTOR] not in (0, number):
                continue
            limit, phases, pause = _at(profile, at, elapsed)
            soonest = min(soonest, pause)
            # One for this connector goes before one for all, where they stand at the same level.
            rank = profile[_STACK], profile[_CONNECTOR]
            if limit is not None and rank > best:
                best = rank
                found = (
                    self._converted(limit, phases, profile[_IN_WATTS], in_watts),
                    self._converted(profile[_LEAST], phases, profile[_IN_WATTS], in_watts),
                )
        return found[0], found[1], soonest

    def _converted(self, tenths, phases, from_watts, to_watts):
        # Down to what is not more.
        if from_watts == to_watts:
            return tenths
        # Three phases are assumed (section 7.14), and no more than there are.
        volts = self.hardware.voltage * min(phases or 3, self.hardware.phases)
        return int(tenths // volts) if from_watts else int(tenths * volts)


def _at(profile, at, elapsed):
    # (limit in tenths or None, phases, seconds until that may change) of one profile.
    valid_from, valid_to, start = profile[_VALID_FROM : _START + 1]
    after, pause = elapsed, _FAR
    if profile[_KIND] != _RELATIVE and start is not None:
        after = None if at is None else at - start
    if after is None or (at is None and (valid_from, valid_to) != (None, None)):
        lowest = min(profile[_PERIODS + 1 :: 3])
        for index in range(_PERIODS + 1, len(profile), 3):
            if profile[index] == lowest:
                return lowest, profile[index + 1], _FAR
    if valid_from is not None and at < valid_from:
        return None, 0, valid_from - at
    if valid_to is not None:
        if at >= valid_to:
            return None, 0, _FAR
        pause = valid_to - at
    if profile[_EVERY] and after >= 0:
        after %= profile[_EVERY]
        pause = min(pause, profile[_EVERY] - after)
    duration = profile[_DURATION]
    if duration is not None:
        if after >= duration:
            return None, 0, pause
        pause = min(pause, duration - after)
    limit, phases = None, 0
    for index in range(_PERIODS, len(profile), 3):
        if profile[index] > after:
            pause = min(pause, profile[index] - after)
            break
        limit, phases = profile[index + 1], profile[index + 2]
    return limit, phases, pause


def _shared(total, maximum, wishes):
    # By connector: what it gets of a limit for all, in tenths of A. wishes: (local, connector,
    # limit or None, least), who comes first first.
    limits = {}
    wishes = list(wishes)
    while True:
        left, count = total, len(wishes)
        for wish, number in sorted(
            (maximum if wish is None else min(wish, maximum), number)
            for _, number, wish, _ in wishes
        ):
            limits[number] = min(wish, left // count)
            left -= limits[number]
            count -= 1
        for index in range(len(wishes) - 1, -1, -1):
            _, number, wish, least = wishes[index]
            given = limits[number]
            # Too little is nothing, and others can use it.
            if given < _SIX or (given < least and len(wishes) > 1 and given != wish):
                del wishes[index]
                limits[number] = 0
                break
        else:
            return limits
