"""Charging profiles: what is cleared, what is told of them, and what is refused."""

from chargepoint import profile_calls
from chargepoint.calls import CallError
from checks import equal, raises
from profiles_rig import Rig, at, periods, profile

DAY = 86400

# clearing


def test_what_is_cleared():
    def ids(**payload):
        rig = Rig()
        rig.accept(1, profile(1, 16))
        rig.accept(1, profile(2, 16, level=1))
        rig.accept(0, profile(3, 16))
        rig.accept(0, profile(4, 16, "ChargePointMaxProfile"))
        status = rig.clear(**payload)
        equal(status, "Unknown" if len(rig.ids()) == 4 else "Accepted")
        equal(sorted(each[1] for each in rig.storage.files["profiles"]), rig.ids())
        return rig.ids()

    equal(ids(), [])
    equal(ids(id=2), [1, 3, 4])
    equal(ids(id=9), [1, 2, 3, 4])
    equal(ids(id=2, connectorId=0), [1, 3, 4])
    equal(ids(connectorId=0), [1, 2])
    equal(ids(connectorId=1), [3, 4])
    equal(ids(connectorId=2), [1, 2, 3, 4])
    equal(ids(connectorId=7), [1, 2, 3, 4])
    equal(ids(stackLevel=0), [2])
    equal(ids(stackLevel=0, connectorId=1), [2, 3, 4])
    equal(ids(chargingProfilePurpose="TxDefaultProfile"), [4])
    equal(ids(chargingProfilePurpose="TxProfile"), [1, 2, 3, 4])
    equal(ids(chargingProfilePurpose="ChargePointMaxProfile", stackLevel=1), [1, 2, 3, 4])


# the composite schedule


def test_the_composite_schedule_is_the_least_of_all():
    rig = Rig()
    equal(rig.schedule(1, 100), [(0, 32)])
    rig.accept(
        0, profile(1, periods((0, 20), (50, 8), startSchedule=at(0)), "ChargePointMaxProfile")
    )
    rig.accept(0, profile(2, periods((0, 10), (80, 25), startSchedule=at(0))))
    equal(rig.schedule(1, 100), [(0, 10), (50, 8)])
    equal(rig.schedule(0, 100), [(0, 20), (50, 8)])
    equal(rig.schedule(2, 100, "A"), [(0, 10), (50, 8)])
    equal(rig.schedule(1, 100, "W"), [(0, 6900), (50, 5520)])
    rig.charge(1)
    rig.accept(1, profile(3, periods((0, 6.5), duration=30), "TxProfile", kind="Relative"))
    equal(rig.schedule(1, 100), [(0, 6.5), (30, 10), (50, 8)])
    rig.after(20)
    equal(rig.schedule(1, 100), [(0, 6.5), (10, 10), (30, 8)])


def test_the_composite_schedule_keeps_to_the_watts_that_were_given():
    rig = Rig()
    schedule = periods((0, 11000), (10, 3700.5, 1), chargingRateUnit="W", startSchedule=at(0))
    rig.accept(0, profile(1, schedule))
    equal(rig.schedule(1, 20, "W"), [(0, 11000), (10, 3700.5)])
    equal(rig.schedule(1, 20), [(0, 15.9), (10, 16)])


def test_the_composite_schedule_of_all_connectors():
    rig = Rig()
    equal(rig.schedule(0, 10), [(0, 64)])
    rig.accept(1, profile(1, 10))
    equal(rig.schedule(0, 10), [(0, 42)])


def test_a_composite_schedule_of_years_is_told_as_far_as_it_fits():
    rig = Rig()
    pairs = [(each * 600, 10 + each % 2) for each in range(24)]
    schedule = periods(*pairs, startSchedule=at(-5 * DAY))
    rig.accept(1, profile(1, schedule, kind="Recurring", recurrencyKind="Daily"))
    payload = {"connectorId": 1, "duration": 0x7FFFFFFF}
    found = rig.ask("GetCompositeSchedule", payload)["chargingSchedule"]
    equal(len(found["chargingSchedulePeriod"]), 24)
    equal(found["duration"], DAY)
    rig.accept(
        1,
        profile(
            1, periods((0, 10), startSchedule=at(-DAY)), kind="Recurring", recurrencyKind="Daily"
        ),
    )
    found = rig.ask("GetCompositeSchedule", payload)["chargingSchedule"]
    equal(len(found["chargingSchedulePeriod"]), 1)
    assert found["duration"] >= 100 * DAY, found["duration"]


def test_composite_schedules_that_cannot_be_told():
    rig = Rig(2, ChargingScheduleAllowedChargingRateUnit="Current")
    for number, duration, unit in (
        (3, 10, "A"),
        (-1, 10, "A"),
        (1, 0, "A"),
        (1, -5, "A"),
        (1, 10, "W"),
    ):
        payload = {"connectorId": number, "duration": duration, "chargingRateUnit": unit}
        equal(rig.ask("GetCompositeSchedule", payload), {"status": "Rejected"})
    rig = Rig(1, unix=None)
    equal(
        rig.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 10}), {"status": "Rejected"}
    )


# what is refused


def test_profiles_that_cannot_be():
    rig = Rig(1, ChargingScheduleMaxPeriods=2, ChargeProfileMaxStackLevel=3)
    rig.charge()
    start = at(0)
    for number, wanted in (
        (1, profile(1, 16, "ChargePointMaxProfile")),
        (0, profile(1, 16, "TxProfile")),
        (0, profile(1, periods((0, 16)), "ChargePointMaxProfile", kind="Relative")),
        (1, profile(1, 16, level=4)),
        (1, profile(1, periods((0, 1), (1, 2), (2, 3), startSchedule=start))),
        (1, profile(1, periods((0, 16), (0, 8), startSchedule=start))),
        (1, profile(1, periods((10, 16), (0, 8), startSchedule=start))),
        (1, profile(1, periods((0, 16, 4), startSchedule=start))),
        (1, profile(1, periods((0, 16), startSchedule=start, duration=0))),
        (1, profile(1, periods((0, 16), startSchedule=start, duration=-1))),
        (1, profile(1, 16, kind="Recurring")),
        (1, profile(1, periods((0, 16)), kind="Recurring", recurrencyKind="Daily")),
    ):
        equal((wanted, rig.put(number, wanted)), (wanted, "Rejected"))
    equal((rig.ids(), rig.smart.refused, rig.offers()), ([], 0, [32]))
    rig.configuration.values["ChargingScheduleAllowedChargingRateUnit"] = "Power"
    equal(rig.put(1, profile(1, 16)), "Rejected")


def _changed(wanted, path, value):
    # A copy in which one field is another one, or goes.
    if isinstance(wanted, list):
        return [_changed(wanted[0], path, value)]
    wanted = dict(wanted)
    if len(path) > 1:
        wanted[path[0]] = _changed(wanted[path[0]], path[1:], value)
    elif value is KeyError:
        del wanted[path[0]]
    else:
        wanted[path[0]] = value
    return wanted


def test_payloads_that_are_none():
    rig = Rig(1)
    schedule = periods((0, 16, 3), startSchedule=at(0), duration=9, minChargingRate=6)
    wanted = profile(1, schedule, validFrom=at(0), validTo=at(9), recurrencyKind="Daily")
    payload = {"connectorId": 1, "csChargingProfiles": wanted}
    # Where something is wrong: c is for the profile, s for its schedule, p for a period.
    paths = {"c": ["csChargingProfiles"]}
    paths["s"] = ["csChargingProfiles", "chargingSchedule"]
    paths["p"] = ["csChargingProfiles", "chargingSchedule", "chargingSchedulePeriod"]
    types, values, count = (
        "TypeConstraintViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
    )
    for path, bad, code in (
        ("connectorId", 2, values),
        ("connectorId", -1, values),
        ("connectorId", "1", types),
        ("connectorId", True, types),
        ("connectorId", KeyError, count),
        ("csChargingProfiles", KeyError, count),
        ("csChargingProfiles", [], types),
        ("other", 1, "FormationViolation"),
        ("c.other", 1, "FormationViolation"),
        ("c.chargingProfileId", 1.5, types),
        ("c.chargingProfileId", KeyError, count),
        ("c.stackLevel", -1, values),
        ("c.stackLevel", None, types),
        ("c.transactionId", "1", types),
        ("c.chargingProfilePurpose", "Max", values),
        ("c.chargingProfileKind", "Often", values),
        ("c.recurrencyKind", "Monthly", values),
        ("c.validFrom", "now", values),
        ("c.validTo", 12, types),
        ("s", KeyError, count),
        ("s", [], types),
        ("s.duration", "9", types),
        ("s.startSchedule", "2026-13-01T00:00:00Z", values),
        ("s.chargingRateUnit", "kW", values),
        ("s.chargingRateUnit", KeyError, count),
        ("s.minChargingRate", -1, values),
        ("s.minChargingRate", "6", types),
        ("p", KeyError, count),
        ("p", {}, types),
        ("p", [], count),
        ("p", [None], types),
        ("p", [[]], types),
        ("p.startPeriod", -1, values),
        ("p.startPeriod", 0.5, types),
        ("p.startPeriod", KeyError, count),
        ("p.limit", -0.1, values),
        ("p.limit", float("nan"), values),
        ("p.limit", "16", types),
        ("p.limit", KeyError, count),
        ("p.numberPhases", 1.5, types),
        ("p.other", 1, "FormationViolation"),
    ):
        first, *rest = path.split(".")
        call = _changed(payload, paths.get(first, [first]) + rest, bad)
        error = raises(CallError, profile_calls.call, rig.core, "SetChargingProfile", call)
        equal((path, repr(bad), error.code), (path, repr(bad), code))
    for action, call, code in (
        ("ClearChargingProfile", {"id": "1"}, types),
        ("ClearChargingProfile", {"connectorId": None}, types),
        ("ClearChargingProfile", {"chargingProfilePurpose": "x"}, values),
        ("ClearChargingProfile", {"stackLevel": 1.5}, types),
        ("ClearChargingProfile", {"x": 1}, "FormationViolation"),
        ("GetCompositeSchedule", {"connectorId": 1}, count),
        ("GetCompositeSchedule", {"duration": 1}, count),
        ("GetCompositeSchedule", {"connectorId": 1, "duration": "1"}, types),
        (
            "GetCompositeSchedule",
            {"connectorId": 1, "duration": 1, "chargingRateUnit": "V"},
            values,
        ),
    ):
        error = raises(CallError, profile_calls.call, rig.core, action, call)
        equal((action, call, error.code), (action, call, code))
    equal(rig.ids(), [])
    equal(rig.put(1, wanted), "Accepted")


def test_numbers_beyond_all_measure():
    rig = Rig(1)
    rig.charge()
    for limit in (1e30, float("inf"), 1 << 70, 9999999.9):
        rig.accept(1, profile(1, limit))
        equal(rig.offers(), [32])
    rig.accept(
        1, profile(1, periods((0, 10), (1 << 60, 8), startSchedule=at(0), duration=1 << 62))
    )
    equal(rig.offers(), [10])
    assert rig.core.tick() >= 1
    # More digits than OCPP has go down.
    rig.accept(1, profile(1, 16.59))
    equal(rig.offers(), [16.5])
