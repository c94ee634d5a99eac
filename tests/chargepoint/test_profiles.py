"""Charging profiles against a reference that looks at each second by itself, and the schemas."""

from __future__ import annotations

import importlib
import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import ocpp
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
SCHEMAS = Path(ocpp.__file__).parent / "v16" / "schemas"
NOW = 1796112000  # 2026-12-01T08:00:00Z
PURPOSES = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
EVERY = {"Daily": 86400, "Weekly": 7 * 86400}
# What is looked at, in seconds; schedules change about as often.
WINDOW = 240

Profile = dict[str, Any]


def rig_module() -> Any:
    """profiles_rig, as the scripts that run on MicroPython import it."""
    for folder in (HERE, HERE.parent / "support" / "device"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    return importlib.import_module("profiles_rig")


def valid(name: str, payload: Any) -> Any:
    """The payload, which the official schema must allow; tenths are no matter of binary floats."""
    text = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8-sig")
    schema = json.loads(text, parse_float=Decimal)
    exact = json.loads(json.dumps(payload), parse_float=Decimal)
    jsonschema.Draft4Validator(schema).validate(exact)
    return payload


# the reference: no state but the profiles as they were sent, times in seconds from NOW


def limit_of(profile: Profile, second: int, begun: int) -> tuple[Fraction, int] | None:
    """What one profile says at one second: (limit, phases)."""
    if not profile.get("from", -(10**9)) <= second < profile.get("to", 10**12):
        return None
    schedule = profile["chargingSchedule"]
    begin = profile["start"]
    if profile["chargingProfileKind"] == "Relative" or begin is None:
        begin = begun
    if profile["chargingProfileKind"] == "Recurring":
        every = EVERY[profile["recurrencyKind"]]
        while begin + every <= second:
            begin += every
    if second < begin or second - begin >= schedule.get("duration", 10**12):
        return None
    found = None
    for period in schedule["chargingSchedulePeriod"]:
        if begin + period["startPeriod"] <= second:
            found = Fraction(str(period["limit"])), period.get("numberPhases", 3)
    return found


def converted(limit: Fraction, phases: int, unit: str, wanted: str) -> Fraction:
    """In another unit, in whole tenths."""
    if unit == wanted:
        return limit
    volts = 230 * (phases or 3)
    exact = limit / volts if unit == "W" else limit * volts
    return Fraction(int(exact * 10), 10)


def expected(
    installed: list[tuple[int, Profile]], number: int, second: int, begun: int, unit: str
) -> Fraction:
    """The limit of a connector at one second."""
    found: dict[str, tuple[tuple[int, int], Fraction]] = {}
    for connector, profile in installed:
        said = limit_of(profile, second, begun)
        purpose = profile["chargingProfilePurpose"]
        rank = profile["stackLevel"], connector
        if said is None or connector not in (0, number):
            continue
        if purpose not in found or rank > found[purpose][0]:
            given_in = profile["chargingSchedule"]["chargingRateUnit"]
            found[purpose] = rank, converted(*said, given_in, unit)
    limits = [Fraction(32 if unit == "A" else 32 * 230 * 3)]
    for purposes in (PURPOSES[:1], PURPOSES[:0:-1]):
        limits += [found[each][1] for each in purposes if each in found][:1]
    return min(limits)


# what is sent

offsets = st.integers(-WINDOW, WINDOW)
tenths = st.integers(0, 400).map(lambda each: each / 10)


@st.composite
def schedules(draw: st.DrawFn) -> Profile:
    """A chargingSchedule, but for its start."""
    unit = draw(st.sampled_from("AW"))
    starts = sorted(draw(st.sets(st.integers(1, WINDOW), max_size=4)) | {0})
    periods: list[dict[str, Any]] = []
    for start in starts:
        limit = draw(tenths)
        period = {"startPeriod": start, "limit": round(limit * 500, 1) if unit == "W" else limit}
        if draw(st.booleans()):
            period["numberPhases"] = draw(st.integers(1, 3))
        periods.append(period)
    schedule: Profile = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    if draw(st.booleans()):
        schedule["duration"] = draw(st.integers(1, 2 * WINDOW))
    return schedule


@st.composite
def profiles(draw: st.DrawFn) -> tuple[int, Profile]:
    """A connector and a profile that a charging point must accept; times beside their texts."""
    purpose = draw(st.sampled_from(PURPOSES))
    kind = draw(st.sampled_from(("Absolute", "Recurring", "Relative")))
    if purpose == PURPOSES[0] and kind == "Relative":
        kind = "Absolute"
    profile: Profile = {
        "chargingProfileId": draw(st.integers(1, 6)),
        "stackLevel": draw(st.integers(0, 2)),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": draw(schedules()),
        "start": draw(st.one_of(st.none(), offsets)),
    }
    if kind == "Recurring":
        word = profile["recurrencyKind"] = draw(st.sampled_from(tuple(EVERY)))
        profile["start"] = draw(offsets) - draw(st.integers(0, 3)) * EVERY[word]
    elif purpose == PURPOSES[0] and profile["start"] is None:
        profile["start"] = 0  # it begins when it comes
        profile["unsaid"] = True
    for name in ("from", "to"):
        if draw(st.integers(0, 3)) == 0:
            profile[name] = draw(offsets)
    connector = {PURPOSES[0]: st.just(0), PURPOSES[2]: st.just(1)}.get(purpose, st.integers(0, 2))
    return draw(connector), profile


def sent(rig: Any, number: int, profile: Profile) -> dict[str, Any]:
    """The request that sets it."""
    wanted = {key: value for key, value in profile.items() if key[0] == "c" or key[0] in "sr"}
    start = wanted.pop("start")
    schedule = wanted["chargingSchedule"] = dict(profile["chargingSchedule"])
    if start is not None and "unsaid" not in profile:
        schedule["startSchedule"] = rig.at(start)
    for name, field in (("from", "validFrom"), ("to", "validTo")):
        if name in profile:
            wanted[field] = rig.at(profile[name])
    return valid("SetChargingProfile", {"connectorId": number, "csChargingProfiles": wanted})


def put(installed: list[tuple[int, Profile]], number: int, profile: Profile) -> None:
    """What is there after it was accepted."""

    def place(connector: int, each: Profile) -> tuple[Any, ...]:
        return connector, each["chargingProfilePurpose"], each["stackLevel"]

    installed[:] = [
        (connector, each)
        for connector, each in installed
        if each["chargingProfileId"] != profile["chargingProfileId"]
        and place(connector, each) != place(number, profile)
    ]
    installed.append((number, profile))


@settings(max_examples=100, deadline=None)
@given(st.lists(profiles(), max_size=6), st.integers(0, 100))
def test_schedules_are_those_of_the_reference(
    wanted: list[tuple[int, Profile]], before: int
) -> None:
    module = rig_module()
    rig = module.Rig(2, unix=NOW - before)
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.authorized()
    rig.after(before)
    installed: list[tuple[int, Profile]] = []
    for number, profile in wanted:
        answer = rig.ask("SetChargingProfile", sent(module, number, profile))
        assert valid("SetChargingProfileResponse", answer) == {"status": "Accepted"}
        put(installed, number, profile)
    # What it tells beforehand, of one with a transaction and of one without.
    for number, begun in ((1, -before), (2, 0)):
        for unit in "AW":
            request = {"connectorId": number, "duration": WINDOW, "chargingRateUnit": unit}
            answer = rig.ask("GetCompositeSchedule", valid("GetCompositeSchedule", request))
            schedule = valid("GetCompositeScheduleResponse", answer)["chargingSchedule"]
            answered = schedule["chargingSchedulePeriod"]
            assert answered[0]["startPeriod"] == 0
            assert schedule["duration"] == WINDOW or len(answered) == 24
            for second in range(schedule["duration"]):
                limit = [each["limit"] for each in answered if each["startPeriod"] <= second][-1]
                reference = expected(installed, number, second, begun, unit)
                assert Fraction(str(limit)) == reference, (number, unit, second)
    # What it then does, called no more often than it asked for.
    pause = rig.core.tick()
    for second in range(WINDOW):
        if pause <= 0:
            pause = rig.core.tick()
        offer = expected(installed, 1, second, -before, "A")
        assert Fraction(str(rig.box.amperes.get(1, 0))) == (offer if offer >= 6 else 0), second
        rig.ms += 1000
        pause -= 1
