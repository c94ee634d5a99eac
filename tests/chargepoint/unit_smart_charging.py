"""Charging profiles: which one holds, and what it means to a transaction."""

from chargepoint.calls import CallError
from checks import equal, raises
from profiles_rig import NOW, Rig, at, periods, profile

DAY = 86400


# what holds


def test_a_default_holds_for_each_transaction():
    rig = Rig()
    rig.accept(0, profile(1, 16))
    rig.accept(2, profile(2, 10))
    rig.charge(1)
    rig.charge(2)
    equal(rig.offers(), [16, 10])
    rig.core.tag(1, "T1")
    equal(rig.offers(), [0, 10])
    rig.charge(1)
    equal(rig.offers(), [16, 10])


def test_a_default_that_comes_later_counts_at_once():
    rig = Rig()
    rig.charge()
    equal(rig.offers(), [32, 0])
    rig.accept(1, profile(1, 13.7))
    equal(rig.offers(), [13.7, 0])
    equal(rig.clear(id=1), "Accepted")
    equal(rig.offers(), [32, 0])


def test_no_current_is_no_end():
    rig = Rig(1)
    connector = rig.charge()
    for limit, amperes, status in (
        (0, 0, "SuspendedEVSE"),
        (10, 10, "Charging"),
        (5.9, 0, "SuspendedEVSE"),
        (6, 6, "Charging"),
    ):
        rig.accept(1, profile(1, limit))
        equal((connector.amperes, connector.status), (amperes, status))
        equal(rig.box.is_closed[1], amperes > 0)
    equal((connector.local, rig.queue.stops), (1, []))
    rig.clear()
    equal((connector.amperes, connector.status), (32, "Charging"))


def test_the_highest_level_that_holds_prevails():
    rig = Rig(1)
    rig.charge()
    rig.accept(1, profile(1, 20, level=1))
    rig.accept(1, profile(2, 25, level=2, validFrom=at(100), validTo=at(200)))
    rig.accept(0, profile(3, 10, level=0))
    equal(rig.changes(300), [(0, 20), (100, 25), (200, 20)])


def test_at_the_same_level_the_one_for_the_connector_prevails():
    for order in ((0, 1), (1, 0)):
        rig = Rig()
        for number in order:
            rig.accept(number, profile(number, 10 + 10 * number))
        rig.charge(1)
        rig.charge(2)
        equal((rig.ids(), rig.offers()), ([0, 1], [20, 10]))


def test_a_schedule_that_is_over_gives_way():
    rig = Rig(1)
    rig.charge()
    rig.accept(1, profile(1, 20, level=1))
    over = periods((0, 8), (30, 9), startSchedule=at(10), duration=50)
    rig.accept(1, profile(2, over, level=2))
    equal(rig.changes(100), [(0, 20), (10, 8), (40, 9), (60, 20)])


def test_the_profile_of_a_transaction_goes_before_the_default_and_with_it():
    rig = Rig(1)
    rig.accept(1, profile(1, 10, level=5))
    rig.charge()
    rig.accept(1, profile(2, 20, "TxProfile"))
    equal(rig.offers(), [20])
    rig.core.tag(1, "T1")
    rig.charge()
    equal((rig.offers(), rig.ids()), ([10], [1]))


def test_a_profile_for_a_transaction_that_is_none():
    rig = Rig()
    wanted = profile(2, 20, "TxProfile")
    equal(rig.put(1, wanted), "Rejected")
    rig.charge(1)
    rig.charge(2, "T2")
    # No id yet: nobody can know it.
    equal(rig.put(1, profile(2, 20, "TxProfile", transactionId=0)), "Rejected")
    rig.queue.open[0].transaction_id = 0
    rig.queue.ids[1] = 0
    rig.queue.ids[2] = -7
    equal(rig.put(1, profile(2, 20, "TxProfile", transactionId=-7)), "Rejected")
    equal(rig.put(0, profile(2, 20, "TxProfile", transactionId=0)), "Rejected")
    equal(rig.put(1, profile(2, 20, "TxProfile", transactionId=0)), "Accepted")
    equal(rig.put(2, profile(3, 10, "TxProfile", transactionId=-7)), "Accepted")
    equal(rig.offers(), [20, 10])
    rig.core.tag(1, "T1")
    equal(rig.put(1, profile(2, 20, "TxProfile", transactionId=0)), "Rejected")


def remote_start(rig, wanted):
    """RemoteStartTransaction with a profile; its status."""
    payload = {"connectorId": 1, "idTag": "T1", "chargingProfile": wanted}
    answer, after = rig.core.call("RemoteStartTransaction", payload)
    equal(after, None)
    return answer["status"]


def test_the_profile_of_a_remote_start_is_for_its_own_transaction():
    rig = Rig()
    given = profile(9, periods((0, 12), (60, 6)), "TxProfile", kind="Relative")
    rig.core.plugged(1)
    rig.core.plugged(2)
    equal(remote_start(rig, given), "Accepted")
    rig.core.ready(1)
    rig.charge(2, "T2")
    equal(rig.offers(), [12, 32])
    equal(rig.changes(100), [(0, 12), (60, 6)])
    rig.core.tag(1, "T1")
    rig.charge(1)
    equal(rig.offers(), [32, 32])


def test_the_profile_of_a_remote_start_that_nobody_followed():
    rig = Rig(1)
    equal(remote_start(rig, profile(9, 12, "TxProfile")), "Accepted")
    rig.after(60)
    rig.charge(1)
    equal((rig.offers(), rig.ids()), ([32], []))


def test_what_a_remote_start_cannot_have():
    rig = Rig(MaxChargingProfilesInstalled=1)
    for wanted in (profile(1, 12), profile(1, 12, "ChargePointMaxProfile")):
        equal(remote_start(rig, wanted), "Rejected")
    rig.accept(1, profile(1, 12))
    equal(remote_start(rig, profile(2, 12, "TxProfile")), "Rejected")
    equal((rig.smart.refused, rig.core.connector(1).tag), (1, None))
    for wanted in ({}, None, [], "x"):
        raises(CallError, remote_start, rig, wanted)
    # Who knows no profiles ignores them.
    rig.core.charging = None
    equal(remote_start(rig, profile(2, 12, "TxProfile")), "Accepted")
    for action in ("SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"):
        equal(raises(CallError, rig.core.call, action, {}).code, "NotSupported")


# times


def test_relative_is_from_the_start_of_the_transaction():
    rig = Rig(1)
    rig.accept(0, profile(1, periods((0, 16), (60, 8), (90, 0), duration=120), kind="Relative"))
    rig.after(1000)
    rig.charge()
    equal(rig.changes(200), [(0, 16), (60, 8), (90, 0), (120, 32)])
    rig.core.tag(1, "T1")
    rig.charge()
    equal(rig.offers(), [16])


def test_absolute_without_a_start_is_relative():
    rig = Rig(1)
    rig.accept(0, profile(1, periods((0, 16), (60, 8))))
    rig.after(1000)
    rig.charge()
    equal(rig.changes(100), [(0, 16), (60, 8)])


def test_the_limit_of_the_point_without_a_start_begins_now():
    rig = Rig(1)
    rig.charge()
    rig.accept(0, profile(1, periods((0, 16), (60, 8)), "ChargePointMaxProfile"))
    equal(rig.changes(100), [(0, 16), (60, 8)])


def test_recurring_begins_anew_each_day_and_each_week():
    for word, every in (("Daily", DAY), ("Weekly", 7 * DAY)):
        rig = Rig(1)
        rig.charge()
        start = at(-3 * every + 100)
        schedule = periods((0, 10), (50, 20), (every + 5, 6), startSchedule=start)
        rig.accept(1, profile(1, schedule, kind="Recurring", recurrencyKind=word))
        equal(rig.changes(300), [(0, 20), (100, 10), (150, 20)])
        schedule["duration"] = 120
        rig.accept(1, profile(1, schedule, kind="Recurring", recurrencyKind=word))
        # 200 s after it began it is over, and then there is none.
        equal(rig.offers(), [32])
        equal(rig.changes(60), [(0, 32)])
        rig.after(every - 360)
        equal(rig.changes(400), [(0, 32), (100, 10), (150, 20), (220, 32)])


def test_recurring_does_not_begin_before_its_start():
    rig = Rig(1)
    rig.charge()
    schedule = periods((0, 10), startSchedule=at(100))
    rig.accept(1, profile(1, schedule, kind="Recurring", recurrencyKind="Daily"))
    equal(rig.changes(200), [(0, 32), (100, 10)])


def test_while_the_time_is_not_known_the_lowest_limit_holds():
    rig = Rig(1)
    schedule = periods((0, 20), (60, 6), (90, 12), startSchedule=at(0))
    rig.accept(0, profile(1, schedule))
    rig = Rig(1, before=rig, unix=None)
    rig.charge()
    equal(rig.offers(), [6])
    rig.clock.set(NOW + 10)
    rig.core.tick()
    equal(rig.changes(100), [(0, 20), (50, 6), (80, 12)])


def test_relative_needs_no_clock():
    rig = Rig(1)
    rig.accept(0, profile(1, periods((0, 16), (60, 8)), kind="Relative"))
    rig = Rig(1, before=rig, unix=None)
    rig.charge()
    equal(rig.changes(100), [(0, 16), (60, 8)])


def test_a_clock_that_is_set_counts_at_once():
    rig = Rig(1)
    rig.charge()
    rig.accept(1, profile(1, periods((0, 10), startSchedule=at(1000))))
    equal(rig.offers(), [32])
    rig.clock.set(NOW + 1000)
    rig.core.tick()
    equal(rig.offers(), [10])


# watts


def test_watts_become_amperes():
    rig = Rig(1)
    rig.charge()
    for watts, phases, amperes in (
        (11040, None, 16),
        (11040, 3, 16),
        (3680, 1, 16),
        (7360, 2, 16),
        (4000, None, 0),
        (4200, None, 6),
        (3000, 1, 13),
        (0, None, 0),
        (1e9, None, 32),
    ):
        pair = (0, watts) if phases is None else (0, watts, phases)
        schedule = periods(pair, chargingRateUnit="W", startSchedule=at(0))
        rig.accept(1, profile(1, schedule))
        equal((watts, rig.offers()), (watts, [amperes]))


def test_watts_on_one_phase():
    rig = Rig(1)
    rig.box.phases = 1
    rig.charge()
    schedule = periods((0, 3680), chargingRateUnit="W", startSchedule=at(0))
    rig.accept(1, profile(1, schedule))
    equal(rig.offers(), [16])


# the limit of the whole point


def test_the_limit_of_the_point_is_shared():
    rig = Rig(3)
    rig.accept(0, profile(1, 32, "ChargePointMaxProfile"))
    rig.charge(1)
    equal(rig.offers(), [32, 0, 0])
    rig.charge(2)
    equal(rig.offers(), [16, 16, 0])
    rig.accept(2, profile(2, 6))
    equal(rig.offers(), [26, 6, 0])
    rig.charge(3)
    equal(rig.offers(), [13, 6, 13])
    rig.core.tag(1, "T1")
    equal(rig.offers(), [0, 6, 26])


def test_who_came_first_is_served_first():
    rig = Rig(3)
    for number in (2, 3, 1):
        rig.charge(number)
    for limit, offers in (
        (18, [6, 6, 6]),
        (17, [0, 8.5, 8.5]),
        (11, [0, 11, 0]),
        (5, [0, 0, 0]),
        (96, [32, 32, 32]),
    ):
        rig.accept(0, profile(1, limit, "ChargePointMaxProfile"))
        equal((limit, rig.offers()), (limit, offers))


def test_a_least_rate_is_kept_to_when_current_is_shared():
    rig = Rig(2)
    rig.accept(0, profile(1, 20, "ChargePointMaxProfile"))
    rig.accept(2, profile(2, periods((0, 32), minChargingRate=12, startSchedule=at(0))))
    rig.charge(2)
    rig.charge(1)
    equal(rig.offers(), [20, 0])
    rig.accept(0, profile(1, 24, "ChargePointMaxProfile"))
    equal(rig.offers(), [12, 12])


def test_never_more_than_the_limit_even_for_a_moment():
    rig = Rig(2)
    rig.accept(0, profile(1, 32, "ChargePointMaxProfile"))
    offered, most = {}, [0]

    def listen(kind, number, value):
        if kind == "offer":
            offered[number] = value
            most.append(sum(offered.values()))

    rig.core.listeners.append(listen)
    rig.charge(1)
    rig.charge(2)
    rig.accept(1, profile(2, 6))
    rig.accept(1, profile(2, 30))
    rig.core.tag(2, "T1")
    rig.charge(2)
    equal(max(most), 32)


# what is kept


def test_the_same_id_or_place_is_replaced():
    rig = Rig()
    rig.accept(1, profile(1, 16))
    rig.accept(2, profile(2, 16))
    rig.accept(0, profile(3, 16))
    rig.accept(0, profile(4, 16, "ChargePointMaxProfile"))
    rig.accept(1, profile(5, 16, level=1))
    equal(rig.ids(), [1, 2, 3, 4, 5])
    rig.accept(1, profile(6, 20))
    equal(rig.ids(), [2, 3, 4, 5, 6])
    rig.accept(2, profile(6, 20, level=3))
    equal(rig.ids(), [2, 3, 4, 5, 6])
    # To come is no reason to keep the old one.
    rig.accept(1, profile(7, 20, level=1, validFrom=at(50)))
    equal(rig.ids(), [2, 3, 4, 6, 7])


def test_more_than_fit():
    rig = Rig(MaxChargingProfilesInstalled=2)
    rig.accept(1, profile(1, 16))
    rig.accept(1, profile(2, 16, level=1))
    equal((rig.put(1, profile(3, 16, level=2)), rig.smart.refused), ("Rejected", 1))
    equal(rig.ids(), [1, 2])
    rig.accept(1, profile(2, 10, level=2))
    equal((rig.ids(), rig.smart.refused), ([1, 2], 1))
    # What is over for good makes room.
    rig.accept(1, profile(1, 16, validTo=at(100)))
    rig.after(100)
    rig.accept(1, profile(3, 16, level=3))
    equal(rig.ids(), [2, 3])


def test_a_full_flash():
    rig = Rig(1)
    rig.charge()
    rig.accept(1, profile(1, 16))
    rig.storage.save = lambda name, value: False
    equal((rig.put(1, profile(1, 10)), rig.smart.refused, rig.offers()), ("Rejected", 1, [16]))
    equal(rig.clear(id=1), "Accepted")
    equal(rig.offers(), [32])


def test_profiles_outlive_a_power_cut_and_those_of_transactions_go_with_them():
    rig = Rig(2)
    rig.accept(0, profile(1, 16))
    rig.charge(1)
    rig.accept(1, profile(2, 10, "TxProfile"))
    equal(rig.offers(), [10, 0])
    rig = Rig(2, before=rig)
    equal(rig.ids(), [1])
    # Even if the numbers of transactions begin anew.
    rig.queue.starts = []
    rig.charge(1)
    equal(rig.offers(), [16, 0])


def test_a_transaction_that_goes_on_keeps_its_profile():
    rig = Rig(2)
    rig.clock.boot = 1
    rig.accept(0, profile(1, periods((0, 16), (100, 8)), kind="Relative"))
    rig.charge(2)
    rig.charge(1)
    rig.accept(1, profile(2, periods((0, 20), (100, 10)), "TxProfile", kind="Relative"))
    equal(rig.offers(), [20, 16])
    rig.queue.open[0].begun = rig.queue.open[1].begun = NOW, 1
    rig = Rig(2, before=rig, resume=True, unix=None)
    rig.clock.boot = 2
    for number in (1, 2):
        rig.core.plugged(number)
        rig.core.ready(number)
    equal(rig.offers(), [10, 8])  # as long as nobody knows how late it is
    rig.clock.set(NOW + 40)
    rig.core.tick()
    equal(rig.offers(), [20, 16])
    equal(rig.changes(100), [(0, 20), (60, 10)])


def test_what_is_on_the_flash_is_no_list():
    rig = Rig(1)
    rig.storage.files["profiles"] = {"a": 1}
    rig = Rig(1, before=rig)
    rig.accept(0, profile(1, 16))
    equal(rig.ids(), [1])
