"""The core of a charging point: what follows from hardware, cards, the central system and time."""

from chargepoint import requests
from checks import equal, raises
from core_rig import Rig

# plugging, cards, and energy


def test_a_session_from_plug_to_stop():
    rig = Rig(1)
    equal(rig.statuses(), [(0, "Available"), (1, "Available")])
    rig.core.plugged(1)
    equal(rig.statuses(), [(1, "Preparing")])
    rig.core.tag(1, "T1")
    equal(rig.authorized(), "T1")
    equal(rig.queue.starts, [(1, 1, "T1", 1000)])
    equal(rig.statuses(), [(1, "SuspendedEV")])
    equal(rig.box.amperes[1], 32)
    rig.core.ready(1)
    assert rig.box.is_closed[1]
    assert rig.box.is_locked[1]
    equal(rig.statuses(), [(1, "Charging")])
    rig.queue.accept(1)
    rig.box.registers[1] = 3000
    rig.core.tag(1, "t1")
    equal(rig.queue.stops, [(1, 3000, "Local", "t1")])
    assert not rig.box.is_closed[1]
    assert not rig.box.is_locked[1]
    equal(rig.box.amperes[1], 0)
    equal(rig.statuses(), [(1, "Finishing")])
    rig.core.unplugged(1)
    equal(rig.statuses(), [(1, "Available")])


def test_what_happens_in_which_order():
    rig = Rig(1)
    rig.charge()
    equal(
        [what for what in rig.said if what[0] != "status"],
        [
            ("message", 1, "StartTransaction"),
            ("offer", 1, 32),
            ("lock", 1, True),
            ("contactor", 1, True),
        ],
    )
    rig.said.clear()
    rig.core.tag(1, "T1")
    equal(
        [what[0] for what in rig.said if what[0] != "status"],
        ["contactor", "offer", "lock", "message"],
    )


def test_a_card_first_and_a_cable_in_time():
    rig = Rig(1)
    rig.statuses()
    rig.core.tag(1, "T1")
    rig.authorized()
    equal(rig.statuses(), [(1, "Preparing")])
    rig.after(59)
    rig.core.plugged(1)
    equal(len(rig.queue.starts), 1)


def test_a_cable_that_comes_too_late_starts_nothing():
    rig = Rig(1)
    rig.core.tag(1, "T1")
    rig.authorized()
    rig.statuses()
    equal(rig.after(50), 10)
    rig.after(10)
    equal(rig.statuses(), [(1, "Available")])
    rig.core.plugged(1)
    equal(rig.queue.starts, [])
    equal(rig.statuses(), [(1, "Preparing")])


def test_not_every_card_starts():
    rig = Rig(1)
    rig.core.plugged(1)
    for status in ("Blocked", "Expired", "Invalid", "ConcurrentTx"):
        rig.core.tag(1, status)
        rig.authorized(status)
    equal(rig.queue.starts, [])


def test_a_strangers_card_stops_nothing_the_familys_does():
    rig = Rig(1)
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.authorized(parentIdTag="FAMILY")
    rig.core.tag(1, "T2")
    rig.authorized(parentIdTag="OTHERS")
    rig.core.tag(1, "T3")
    rig.authorized()
    rig.core.tag(1, "T4")
    rig.authorized("Blocked", parentIdTag="FAMILY")
    equal(rig.queue.stops, [])
    rig.core.tag(1, "T5")
    rig.authorized(parentIdTag="family")
    equal(rig.queue.stops, [(1, 1000, "Local", "T5")])


def test_the_parent_may_be_known_from_the_start_answer_only():
    rig = Rig(1, LocalPreAuthorize=True)
    rig.authorization.learn("T1", {"status": "Accepted"})
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.queue.accept(1, parentIdTag="FAMILY")
    rig.core.tag(1, "T2")
    rig.authorized(parentIdTag="FAMILY")
    equal(len(rig.queue.stops), 1)


def test_an_answer_that_comes_after_the_transaction_stops_nothing_of_the_next():
    rig = Rig(1)
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.authorized(parentIdTag="FAMILY")
    rig.core.tag(1, "T2")
    late = rig.core.next_call()
    rig.core.tag(1, "T1")
    rig.core.tag(1, "T9")
    rig.authorized(parentIdTag="FAMILY")
    late.result({"idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}})
    equal([stop[0] for stop in rig.queue.stops], [1])


# offline


def test_offline_what_is_known_decides():
    rig = Rig(2, online=False)
    rig.authorization.learn("GOOD", {"status": "Accepted"})
    rig.authorization.learn("BAD", {"status": "Blocked"})
    for id_tag in ("BAD", "UNKNOWN"):
        rig.core.plugged(1)
        rig.core.tag(1, id_tag)
        equal(rig.queue.starts, [])
    rig.core.tag(1, "good")
    equal(len(rig.queue.starts), 1)
    rig.configuration.values["AllowOfflineTxForUnknownId"] = True
    rig.core.plugged(2)
    rig.core.tag(2, "BAD")
    equal(len(rig.queue.starts), 1)
    rig.core.tag(2, "UNKNOWN")
    equal(len(rig.queue.starts), 2)


def test_what_is_known_offline_has_an_end():
    rig = Rig(1, online=False)
    rig.authorization.learn("T1", {"status": "Accepted", "expiryDate": "2026-12-01T08:00:00Z"})
    rig.core.plugged(1)
    rig.clock.set(1796112000)  # that very moment
    rig.core.tag(1, "T1")
    equal(rig.queue.starts, [])


def test_no_answer_to_authorize_counts_as_offline():
    for code in (None, "GenericError"):
        rig = Rig(1, AllowOfflineTxForUnknownId=True)
        rig.core.plugged(1)
        rig.core.tag(1, "T1")
        rig.core.next_call().error(code)
        equal(len(rig.queue.starts), 1)


def test_a_card_that_waits_for_its_authorize_does_not_wait_for_a_connection():
    rig = Rig(online=True)
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.core.trigger_status(0)
    # The connection is lost before the Authorize is sent; somebody else is there when it is back.
    rig.core.online = False
    rig.after(1)
    rig.core.unplugged(1)
    rig.core.plugged(1)
    rig.core.online = True
    equal([call.action for call in rig.core.calls], ["StatusNotification"])
    rig = Rig(online=True, AllowOfflineTxForUnknownId=True)
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.core.online = False
    rig.after(1)
    equal((len(rig.queue.starts), rig.core.calls), (1, []))


def test_an_answer_that_makes_no_sense_starts_nothing():
    rig = Rig(1)
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    call = rig.core.next_call()
    raises(KeyError, call.result, {})
    raises(TypeError, call.result, {"idTagInfo": None})
    equal(rig.queue.starts, [])


def test_the_cache_outlives_power_cuts_and_makes_room():
    rig = Rig(1)
    rig.authorization.learn("BAD", {"status": "Blocked"})
    for number in range(45):
        rig.authorization.learn(f"T{number}", {"status": "Accepted"})
    rig = Rig(1, before=rig)
    equal(rig.authorization.find("BAD", None), None)
    equal(rig.authorization.find("T4", None), None)
    equal(rig.authorization.find("t44", None), (True, None))
    assert rig.authorization.clear()
    equal(Rig(1, before=rig).authorization.find("T44", None), None)


# what stops energy


def test_a_fault_stops_it_at_once_and_its_end_goes_on():
    rig = Rig(1)
    rig.charge()
    rig.statuses()
    rig.core.fault(1, "GroundFailure", "x" * 60)
    assert not rig.box.is_closed[1]
    payload = rig.core.next_call().payload()
    equal((payload["status"], payload["errorCode"]), ("Faulted", "GroundFailure"))
    equal(len(payload["info"]), 50)
    rig.core.cleared(1)
    assert rig.box.is_closed[1]
    equal(rig.statuses(), [(1, "Charging")])
    equal(rig.queue.stops, [])


def test_nothing_starts_in_a_fault():
    rig = Rig(1)
    rig.core.plugged(1)
    rig.core.fault(1, "OtherError")
    rig.core.tag(1, "T1")
    assert not requests.start(rig.core, "T1", 1)
    rig.core.cleared(1)
    equal(rig.queue.starts, [])


def test_a_pause_of_the_vehicle():
    rig = Rig(1)
    rig.charge()
    rig.statuses()
    rig.core.paused(1)
    assert not rig.box.is_closed[1]
    equal(rig.statuses(), [(1, "SuspendedEV")])
    rig.core.ready(1)
    assert rig.box.is_closed[1]


def test_a_limit_of_nothing_is_no_end():
    limits = [None]
    rig = Rig(1, limit=lambda connector, local: limits[0])
    rig.charge()
    rig.statuses()
    for amperes, status in ((0, "SuspendedEVSE"), (5.9, "SuspendedEVSE"), (6, "Charging")):
        limits[0] = amperes
        rig.core.tick()
        equal(rig.core.connector(1).status, status)
        equal(rig.box.is_closed[1], status == "Charging")
    limits[0] = 16
    rig.core.tick()
    equal(rig.box.amperes[1], 16)
    limits[0] = None
    rig.core.tick()
    equal(rig.box.amperes[1], 32)
    equal(rig.queue.stops, [])


def test_a_refused_start_ends_it():
    rig = Rig(1)
    rig.charge()
    rig.queue.accept(1, status="Blocked")
    assert not rig.box.is_closed[1]
    equal(rig.queue.stops, [(1, 1000, "DeAuthorized", None)])


def test_a_refused_start_ends_the_energy_only():
    rig = Rig(1, StopTransactionOnInvalidId=False)
    rig.charge()
    rig.queue.accept(1, status="Blocked")
    assert not rig.box.is_closed[1]
    equal(rig.queue.stops, [])
    equal(rig.core.connector(1).status, "SuspendedEVSE")
    rig.core.paused(1)
    rig.core.ready(1)
    assert not rig.box.is_closed[1]


def test_a_stop_is_one_stop():
    rig = Rig(1)
    connector = rig.charge()
    rig.core.stop(connector, "Remote")
    rig.core.stop(connector, "Remote")
    rig.core.unplugged(1)
    equal(len(rig.queue.stops), 1)


def test_the_cable_pulled_at_the_vehicle():
    rig = Rig(1, UnlockConnectorOnEVSideDisconnect=False)
    rig.charge()
    rig.statuses()
    rig.core.unplugged(1)
    equal(rig.queue.stops, [(1, 1000, "EVDisconnected", None)])
    assert rig.box.is_locked[1]
    equal(rig.statuses(), [(1, "Finishing")])
    rig.core.tag(1, "T1")
    assert not rig.box.is_locked[1]
    equal(rig.statuses(), [(1, "Available")])


def test_the_cable_pulled_where_that_ends_nothing():
    rig = Rig(1, StopTransactionOnEVSideDisconnect=False)
    rig.charge()
    rig.core.unplugged(1)
    equal(rig.queue.stops, [])
    assert not rig.box.is_closed[1]
    equal(rig.core.connector(1).status, "SuspendedEV")
    rig.core.plugged(1)
    rig.core.ready(1)
    assert rig.box.is_closed[1]


# the central system


def test_a_remote_start_and_stop():
    rig = Rig(2)
    rig.core.plugged(2)
    assert requests.start(rig.core, "T1")
    equal(rig.queue.starts, [(1, 2, "T1", 1000)])
    assert not requests.start(rig.core, "T2", 2)
    assert not requests.start(rig.core, "T2", 3)
    assert not requests.start(rig.core, "T2", 0)
    rig.queue.accept(1, 0)
    equal(requests.transaction(rig.core, 5), None)
    rig.core.stop(requests.transaction(rig.core, 0), "Remote")
    equal(rig.queue.stops, [(1, 1000, "Remote", None)])


def test_a_remote_start_in_finishing_starts():
    rig = Rig(1)
    connector = rig.charge()
    rig.core.stop(connector, "Remote")
    equal(connector.status, "Finishing")
    assert requests.start(rig.core, "T2", 1)
    equal(len(rig.queue.starts), 2)


def test_a_remote_start_may_have_to_be_authorised():
    rig = Rig(1, AuthorizeRemoteTxRequests=True)
    rig.core.plugged(1)
    assert requests.start(rig.core, "T1", 1)
    equal(rig.queue.starts, [])
    rig.authorized("Blocked")
    equal(rig.queue.starts, [])


def test_unlocking():
    rig = Rig(1)
    rig.charge()
    equal(requests.unlock(rig.core, 2), "NotSupported")
    equal(requests.unlock(rig.core, 1), "Unlocked")
    equal(rig.queue.stops, [(1, 1000, "UnlockCommand", None)])
    rig.box.stuck = True
    equal(requests.unlock(rig.core, 1), "UnlockFailed")
    rig.box.fixed_cable = True
    equal(requests.unlock(rig.core, 1), "NotSupported")


def test_availability_at_once():
    rig = Rig(2)
    rig.statuses()
    rig.core.plugged(1)
    equal(requests.change_availability(rig.core, 1, False), "Accepted")
    equal(rig.statuses(), [(1, "Unavailable")])
    rig.core.tag(1, "T1")
    assert not requests.start(rig.core, "T1", 1)
    equal(requests.change_availability(rig.core, 3, False), "Rejected")
    rig = Rig(2, before=rig)
    equal(rig.statuses(), [(0, "Available"), (1, "Unavailable"), (2, "Available")])
    equal(requests.change_availability(rig.core, 0, False), "Accepted")
    equal(rig.statuses(), [(0, "Unavailable"), (2, "Unavailable")])
    rig.core.plugged(1)
    equal(requests.change_availability(rig.core, 0, True), "Accepted")
    equal(rig.statuses(), [(0, "Available"), (1, "Preparing"), (2, "Available")])


def test_availability_that_is_scheduled_is_never_available_between():
    rig = Rig(1)
    connector = rig.charge()
    rig.statuses()
    equal(requests.change_availability(rig.core, 1, False), "Scheduled")
    equal(rig.statuses(), [])
    rig.said.clear()
    rig.core.stop(connector, "Remote")
    equal([what[2] for what in rig.said if what[0] == "status"], ["SuspendedEVSE", "Unavailable"])
    rig.core.unplugged(1)
    equal(connector.status, "Unavailable")


def test_availability_that_is_scheduled_outlives_a_power_cut():
    rig = Rig(1)
    rig.charge()
    requests.change_availability(rig.core, 1, False)
    rig = Rig(1, before=rig)
    equal(rig.core.connector(1).status, "Unavailable")
    equal(rig.queue.stops, [(1, 1000, "PowerLoss", None)])


def test_a_scheduled_one_is_taken_back():
    rig = Rig(1)
    connector = rig.charge()
    requests.change_availability(rig.core, 1, False)
    equal(requests.change_availability(rig.core, 1, True), "Accepted")
    rig.core.stop(connector, "Remote")
    equal(connector.status, "Finishing")


def test_resets():
    for hard in (False, True):
        rig = Rig(2)
        rig.charge(2)
        rig.queue.waiting = 2
        requests.reset(rig.core, hard)
        assert not rig.box.is_closed[2]
        equal(rig.queue.stops, [(1, 1000, "HardReset" if hard else "SoftReset", None)])
        equal(rig.box.resets, [True] if hard else [])
        assert not requests.start(rig.core, "T1", 1)
        if not hard:
            # Until its messages are out, or for a while.
            equal(rig.after(5), 1)
            equal(rig.box.resets, [])
            rig.queue.waiting = 0
            rig.after(1)
            equal(rig.box.resets, [False])


def test_a_soft_reset_waits_for_a_while_only():
    rig = Rig(1, online=False)
    rig.queue.waiting = 1
    requests.reset(rig.core, False)
    rig.after(31)
    equal(rig.box.resets, [False])


# power cuts


def test_a_power_cut_stops_what_ran_once():
    rig = Rig(2)
    rig.charge(2)
    rig.box.registers[2] = 1500
    rig = Rig(2, before=rig)
    equal(rig.queue.stops, [(1, 1500, "PowerLoss", None)])
    equal(rig.core.connector(2).status, "Available")
    rig = Rig(2, before=rig)
    equal(len(rig.queue.stops), 1)


def test_what_a_power_up_brings_is_told_to_the_listeners_of_the_hardware():
    rig = Rig()
    rig.charge()
    reported = []
    rig.box.listeners = (lambda *what: reported.append(what),)
    rig = Rig(before=rig)
    equal(
        reported,
        [
            ("message", 1, "StopTransaction"),
            ("status", 1, "Available"),
            ("status", 2, "Available"),
        ],
    )


def test_a_register_that_forgot_takes_nothing_back():
    rig = Rig(1)
    rig.charge()
    rig.queue.open[0].last_meter = 1800
    rig.box.registers[1] = 0
    rig = Rig(1, before=rig)
    equal(rig.queue.stops, [(1, 1800, "PowerLoss", None)])


def test_going_on_after_a_power_cut():
    rig = Rig(1)
    rig.charge()
    rig = Rig(1, before=rig, resume=True)
    equal(rig.queue.stops, [])
    assert not rig.box.is_closed.get(1)
    rig.core.plugged(1)
    rig.core.ready(1)
    assert rig.box.is_closed[1]
    equal(len(rig.queue.starts), 1)
    rig.core.tag(1, "T1")
    equal(len(rig.queue.stops), 1)


# telling the status


def test_only_the_present_status_is_told():
    rig = Rig(1, online=False)
    rig.core.plugged(1)
    rig.core.unplugged(1)
    rig.core.plugged(1)
    equal(rig.core.next_call(), None)
    rig.core.online = True
    equal(rig.statuses(), [(0, "Available"), (1, "Preparing")])
    equal(rig.statuses(), [])


def test_what_did_not_get_through_is_told_again():
    rig = Rig(1)
    rig.statuses()
    rig.core.plugged(1)
    rig.core.next_call().error(None)
    equal(rig.statuses(), [(1, "Preparing")])


def test_after_a_boot_all_is_told_anew():
    rig = Rig(1)
    rig.statuses()
    rig.core.report_all()
    equal(rig.statuses(), [(0, "Available"), (1, "Available")])


def test_a_status_that_does_not_last_is_not_told():
    rig = Rig(1, MinimumStatusDuration=5)
    rig.statuses()
    rig.core.plugged(1)
    equal(rig.statuses(), [])
    equal(rig.after(3), 2)
    rig.core.unplugged(1)
    rig.after(10)
    equal(rig.statuses(), [])
    rig.core.plugged(1)
    rig.after(5)
    equal(rig.statuses(), [(1, "Preparing")])


def test_a_status_has_the_time_once_that_is_known():
    rig = Rig(1)
    assert "timestamp" not in rig.core.next_call().payload()
    rig.clock.set(1796112000)
    equal(rig.core.status_payload(1)["timestamp"], "2026-12-01T08:00:00Z")


def test_what_is_triggered_comes_first_and_before_accepted():
    rig = Rig(1, online=False)
    rig.core.trigger_status(0)
    equal(rig.core.next_call().payload()["connectorId"], 0)
    equal(rig.core.next_call(), None)
