"""What the central system asks about charging profiles. Loaded for each call.

OCPP 1.6, sections 5.5, 5.7 and 5.16; how a profile is kept is told in `smart_charging`.
"""

from webpubsub import once
from webpubsub.compat import const

from . import timestamps
from .calls import CallError

# As in smart_charging: what a profile is made of, and the numbers of purposes.
_CONNECTOR = const(0)
_ID = const(1)
_PURPOSE = const(2)
_STACK = const(3)
_LOCAL = const(12)
_MAXIMUM = const(0)
_DEFAULT = const(1)
_TRANSACTION = const(2)

# As this module it goes after its use.
_check = once("chargepoint.fields").check

_PURPOSES = ["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
_ANY = "|".join(_PURPOSES)
_KINDS = ["Absolute", "Recurring", "Relative"]
_PROFILE = (
    "chargingProfileId i transactionId? i stackLevel n chargingProfilePurpose "
    + _ANY
    + " chargingProfileKind Absolute|Recurring|Relative recurrencyKind? Daily|Weekly"
    " validFrom? d validTo? d chargingSchedule o"
)
_SCHEDULE = (
    "duration? i startSchedule? d chargingRateUnit A|W chargingSchedulePeriod a minChargingRate? f"
)
_PERIOD = "startPeriod n limit f numberPhases? n"
# What is more is no limit; in tenths it fits into what every interpreter has for a number.
_LARGEST = const(10000000)


def call(core, action, payload):
    """Serve SetChargingProfile, ClearChargingProfile or GetCompositeSchedule.

    core: a Core that has SmartCharging. action: str. payload: what JSON had there.

    Returns (payload of the answer, None).

    Raises:
        CallError: it is answered with a CALLERROR.
    """
    if action == "SetChargingProfile":
        answer = _set(core, payload)
    elif action == "ClearChargingProfile":
        answer = _clear(core.charging, payload)
    else:
        answer = _composite(core, payload) or "Rejected"
    return answer if isinstance(answer, dict) else {"status": answer}, None


def for_remote_start(core, payload):
    """The profile of a RemoteStart, for `Core.remote_start`; None when it cannot be had.

    core: a Core that has SmartCharging. payload: the chargingProfile, what JSON had there.

    Raises:
        CallError: it is none.
    """
    profile = _read(core, payload)
    if (
        profile is None
        or profile[_PURPOSE] != _TRANSACTION
        or core.charging.place(profile) is None
    ):
        return None
    return profile


def _time(record, name):
    return timestamps.parse(record.get(name))


def _tenths(number):
    # Down, but for what a float lacks.
    return int(min(number, _LARGEST) * 10 + 0.05)


def _read(core, payload):
    # A profile without connector and transaction; None for one that cannot be kept.
    _check(payload, _PROFILE)
    schedule = payload["chargingSchedule"]
    _check(schedule, _SCHEDULE)
    periods = schedule["chargingSchedulePeriod"]
    if not periods:
        raise CallError("OccurenceConstraintViolation", "chargingSchedulePeriod: none")
    for period in periods:
        _check(period, _PERIOD)
    value = core.configuration.value
    purpose = _PURPOSES.index(payload["chargingProfilePurpose"])
    kind = _KINDS.index(payload["chargingProfileKind"])
    start = _time(schedule, "startSchedule")
    duration = schedule.get("duration")
    every = {"Daily": 86400, "Weekly": 604800}.get(payload.get("recurrencyKind"), 0)
    in_watts = int(schedule["chargingRateUnit"] == "W")
    if (
        payload["stackLevel"] > value("ChargeProfileMaxStackLevel")
        or len(periods) > value("ChargingScheduleMaxPeriods")
        or ("Current", "Power")[in_watts] not in value("ChargingScheduleAllowedChargingRateUnit")
        or (duration is not None and duration < 1)
        # No transaction begins that the limit of the whole point could be relative to.
        or (purpose == _MAXIMUM and kind == 2)
        or (kind == 1 and (start is None or not every))
    ):
        return None
    if purpose == _MAXIMUM and start is None:
        start = core.clock.utc()
    profile = [
        0,
        payload["chargingProfileId"],
        purpose,
        payload["stackLevel"],
        kind,
        every if kind == 1 else 0,
        _time(payload, "validFrom"),
        _time(payload, "validTo"),
        start,
        duration,
        in_watts,
        _tenths(schedule.get("minChargingRate", 0)),
        None,
    ]
    last = -1
    for period in periods:
        if period["startPeriod"] <= last or period.get("numberPhases", 3) > 3:
            return None
        last = period["startPeriod"]
        profile += (last, _tenths(period["limit"]), period.get("numberPhases", 0))
    return profile


def _set(core, payload):
    _check(payload, "connectorId i csChargingProfiles o")
    number = payload["connectorId"]
    if number and core.connector(number) is None:
        raise CallError("PropertyConstraintViolation", "connectorId: there is none")  # errata 3.39
    wanted = payload["csChargingProfiles"]
    profile = _read(core, wanted)
    if profile is None:
        return "Rejected"
    profile[_CONNECTOR] = number
    if profile[_PURPOSE] == _MAXIMUM:
        if number:
            return "Rejected"
    elif profile[_PURPOSE] == _TRANSACTION:
        local = core.charging.running(number)
        given = wanted.get("transactionId")
        if local is None or (given is not None and core.queue.local_of(given) != local):
            return "Rejected"
        profile[_LOCAL] = local
    return "Accepted" if core.charging.put(profile) else "Rejected"


def _clear(charging, payload):
    _check(payload, "id? i connectorId? i chargingProfilePurpose? " + _ANY + " stackLevel? i")
    if "id" in payload:
        # It says enough, whatever stands beside it.
        wanted = [(_ID, payload["id"])]
    else:
        wanted = []
        for index, name in ((_CONNECTOR, "connectorId"), (_STACK, "stackLevel")):
            if name in payload:
                wanted.append((index, payload[name]))
        if "chargingProfilePurpose" in payload:
            wanted.append((_PURPOSE, _PURPOSES.index(payload["chargingProfilePurpose"])))
    kept = []
    for profile in charging.profiles:
        for index, value in wanted:
            if profile[index] != value:
                kept.append(profile)
                break
    if len(kept) == len(charging.profiles):
        return "Unknown"
    # With a full flash it is cleared until the next power cut at least, and with the next change.
    charging.replace(kept, False)
    return "Accepted"


def _composite(core, payload):
    _check(payload, "connectorId i duration i chargingRateUnit? A|W")
    charging, utc = core.charging, core.clock.utc()
    number, duration = payload["connectorId"], payload["duration"]
    unit = payload.get("chargingRateUnit", "A")
    word = "Power" if unit == "W" else "Current"
    if (
        (number and core.connector(number) is None)
        or duration < 1
        or utc is None
        or word not in core.configuration.value("ChargingScheduleAllowedChargingRateUnit")
    ):
        return None
    periods, last, after = [], None, 0
    most = core.configuration.value("ChargingScheduleMaxPeriods")
    # Of years that are asked for, as much as can be told.
    for _ in range(9 * most):
        limit, pause = _limit_of(core, charging, number, utc, after, unit == "W")
        if limit != last:
            if len(periods) == most:
                break
            last = limit
            limit = limit / 10 if limit % 10 else limit // 10
            periods.append({"startPeriod": after, "limit": limit})
        after += pause
        if after >= duration:
            break
    start = timestamps.format(utc)
    return {
        "status": "Accepted",
        "connectorId": number,
        "scheduleStart": start,
        "chargingSchedule": {
            "duration": min(after, duration),
            "startSchedule": start,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        },
    }


def _limit_of(core, charging, number, utc, after, in_watts):
    # (limit in tenths, seconds for which it holds) of a connector, or of all together.
    hardware = core.hardware
    maximum = hardware.maximum * (10 * hardware.voltage * hardware.phases if in_watts else 10)
    total, _, soonest = charging.prevailing(_MAXIMUM, 0, utc + after, None, in_watts)
    limit = 0
    for connector in core.connectors:
        if number in (0, connector.number):
            if connector.local is None:
                # As it would be with a transaction that begins now.
                one, _, pause = charging.prevailing(
                    _DEFAULT, connector.number, utc + after, after, in_watts
                )
            else:
                elapsed = charging.elapsed(connector)
                one, _, pause = charging.of_transaction(
                    connector.number,
                    utc + after,
                    None if elapsed is None else elapsed + after,
                    in_watts,
                )
            limit += maximum if one is None else min(one, maximum)
            soonest = min(soonest, pause)
    if total is not None:
        limit = min(limit, total)
    return limit, soonest
