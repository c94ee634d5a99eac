"""The messages of transactions: in order, once, over outages and restarts."""

import os
import sys

from checks import equal, raises
from queue_rig import NOW, Central, Rig

FOLDER = sys.argv[2] if len(sys.argv) > 2 else "/tmp"
PATH = FOLDER + "/queue"


def new(**options):
    try:
        os.remove(PATH)
    except OSError:
        pass
    return Rig(PATH, **options)


def again(boot=2, **options):
    """After a power cut."""
    return Rig(PATH, boot, **options)


def session(rig, values=3, connector=1, id_tag="T1", meter=1000):
    local = rig.queue.start(connector, id_tag, meter)
    for number in range(values):
        rig.after(60)
        rig.queue.values(local, connector, "Sample.Periodic", [(0, meter + 100 * number + 100)])
    rig.after(60)
    rig.queue.stop(local, meter + 100 * values, "Remote")
    return local


def test_a_transaction_in_order():
    rig, central = new(), Central(7)
    session(rig)
    equal(rig.queue.waiting, 5)
    rig.deliver(central)
    equal(central.actions(), ["StartTransaction"] + 3 * ["MeterValues"] + ["StopTransaction"])
    equal(
        central.said[0][1],
        {
            "connectorId": 1,
            "idTag": "T1",
            "meterStart": 1000,
            "timestamp": "2026-12-01T08:00:00Z",
        },
    )
    value = central.said[1][1]
    equal((value["connectorId"], value["transactionId"]), (1, 7))
    equal(value["meterValue"][0]["timestamp"], "2026-12-01T08:01:00Z")
    equal(value["meterValue"][0]["sampledValue"][0]["value"], "1100")
    equal(
        central.said[4][1],
        {
            "transactionId": 7,
            "meterStop": 1300,
            "timestamp": "2026-12-01T08:04:00Z",
            "reason": "Remote",
        },
    )
    equal(rig.queue.waiting, 0)
    equal(again().queue.waiting, 0)


def test_one_at_a_time():
    rig = new()
    session(rig)
    call = rig.queue.next()
    equal(rig.queue.next(), None)
    call.error(None)
    equal(rig.queue.next().action, "StartTransaction")


def test_over_a_restart():
    rig, central = new(), Central(0)
    session(rig)
    rig.deliver(central)
    session(rig, 20)
    central.take(rig.queue.next())
    rig = again()
    equal(rig.queue.open, [])
    rig.deliver(central)
    equal(central.actions().count("StartTransaction"), 2)
    equal(central.said[-1][1]["transactionId"], 1)
    equal(central.said[-2][1]["transactionId"], 1)


def test_ids_of_any_kind():
    for number in (0, -5, 2147483647, -2147483648):
        rig, central = new(), Central(number)
        local = session(rig)
        call = rig.queue.next()
        central.take(call)
        equal(rig.queue.transaction_id(local), number)
        rig.deliver(central)
        equal(central.said[-1][1]["transactionId"], number)
        equal(rig.queue.transaction_id(local), None)


def test_what_runs_is_found_by_its_id():
    rig, central = new(), Central(0)
    local = rig.queue.start(2, "T1", 5)
    equal(rig.queue.local_of(0), None)
    rig.deliver(central)
    equal(rig.queue.local_of(0), local)
    rig = again()
    equal(rig.queue.local_of(0), local)
    (found,) = rig.queue.open
    equal((found.connector, found.id_tag, found.meter_start), (2, "T1", 5))
    rig.queue.stop(local, 9)
    equal(rig.queue.local_of(0), None)


def test_two_connectors_at_once():
    rig, central = new(), Central(3)
    one = rig.queue.start(1, "T1", 0)
    two = rig.queue.start(2, "T2", 0)
    for local, connector in ((one, 1), (two, 2), (one, 1)):
        rig.after(1)
        rig.queue.values(local, connector, "Sample.Periodic", [(0, connector)])
    rig.queue.stop(two, 20)
    rig.deliver(central)
    found = [(p["transactionId"], p["connectorId"]) for a, p in central.said if a == "MeterValues"]
    equal(found, [(3, 1), (4, 2), (3, 1)])
    equal(central.said[-1][1]["transactionId"], 4)


def test_values_outside_of_transactions():
    rig, central = new(), Central()
    rig.queue.values(None, 2, "Sample.Clock", [(0, 5)])
    rig.deliver(central)
    payload = central.said[0][1]
    equal(payload["connectorId"], 2)
    assert "transactionId" not in payload


def test_a_stop_comes_once():
    rig, central = new(), Central()
    local = session(rig)
    rig.queue.stop(local, 5000)
    rig = again()
    rig.queue.stop(local, 6000)
    rig.deliver(central)
    equal(central.actions().count("StopTransaction"), 1)
    equal(central.said[-1][1]["meterStop"], 1300)


def test_no_answer_never_drops():
    rig, central = new(), Central()
    session(rig, 0)
    for _ in range(20):
        rig.queue.next().error(None)
    equal(rig.queue.refused, 0)
    rig.deliver(central)
    equal(central.actions(), ["StartTransaction", "StopTransaction"])


def test_errors_are_tried_again_with_pauses_that_grow():
    rig = new()
    session(rig, 0)
    rig.queue.next().error("InternalError")
    equal(rig.queue.next(), None)
    equal(rig.queue.wait(), 10)
    rig.after(10)
    rig.queue.next().error("InternalError")
    equal(rig.queue.wait(), 20)
    rig.after(20)
    rig.queue.next().error("InternalError")
    # The start is given up; what belongs to it follows with -1.
    equal(rig.queue.refused, 1)
    central = Central()
    rig.deliver(central)
    equal(central.said[0][1]["transactionId"], -1)
    equal(rig.queue.waiting, 0)


def test_errors_begin_anew_with_the_next_message():
    rig, central = new(), Central()
    session(rig, 1)
    for _ in range(2):
        rig.queue.next().error("GenericError")
        rig.after(60)
    central.take(rig.queue.next())
    for _ in range(2):
        rig.queue.next().error("GenericError")
        rig.after(60)
    equal(rig.queue.refused, 0)
    rig.deliver(central)
    equal(central.actions(), ["StartTransaction", "MeterValues", "StopTransaction"])


def test_answers_that_make_no_sense():
    rig = new()
    session(rig, 0)
    call = rig.queue.next()
    for answer in (
        {},
        {"transactionId": 1},
        {"transactionId": "1", "idTagInfo": {"status": "Accepted"}},
        {"transactionId": True, "idTagInfo": {"status": "Accepted"}},
        {"transactionId": 1, "idTagInfo": None},
        {"transactionId": 1, "idTagInfo": {}},
    ):
        raises((KeyError, TypeError), call.result, answer)
    call.error("FormationViolation")
    rig.after(60)
    equal(rig.queue.next().action, "StartTransaction")


def test_who_is_told():
    rig, said = new(), []
    rig.queue.on_started = lambda *what: said.append(what)
    rig.queue.on_stopped = lambda *what: said.append(what)
    local = rig.queue.start(1, "T1", 0)
    rig.queue.stop(local, 1, "Local", "T2")
    rig.queue.next().result({"transactionId": 4, "idTagInfo": {"status": "Blocked"}})
    rig.queue.next().result({"idTagInfo": {"status": "Accepted"}})
    equal(said, [(local, 4, {"status": "Blocked"}), ("T2", {"status": "Accepted"})])


def test_times_before_the_clock_is_known():
    rig, central = new(unix=None), Central()
    local = rig.queue.start(1, "T1", 0)
    rig.after(100)
    rig.queue.values(local, 1, "Sample.Periodic", [(0, 5)])
    rig.after(100)
    rig.queue.stop(local, 9)
    rig.after(800)
    rig.clock.set(NOW + 1000)
    rig.deliver(central)
    equal(
        [payload.get("timestamp") for _, payload in central.said],
        ["2026-12-01T08:00:00Z", None, "2026-12-01T08:03:20Z"],
    )
    equal(central.said[1][1]["meterValue"][0]["timestamp"], "2026-12-01T08:01:40Z")


def test_the_last_register_is_known_after_a_power_cut():
    rig = new()
    local = rig.queue.start(1, "T1", 1000)
    for number in range(1, 9):
        rig.queue.values(local, 1, "Sample.Periodic", [(0, 1000 + number), (3, 9)])
    (found,) = again().queue.open
    equal((found.meter_start, found.last_meter), (1000, 1008))


def test_values_wait_for_their_kind():
    rig = new()
    local = rig.queue.start(1, "T1", 0)
    size = os.stat(PATH)[6]
    for _ in range(7):
        rig.queue.values(local, 1, "Sample.Periodic", [(0, 5)])
    equal(os.stat(PATH)[6], size)
    rig.queue.values(local, 1, "Sample.Periodic", [(0, 5)])
    # 16 bytes each, and a head of 8.
    equal(os.stat(PATH)[6], size + 8 * 24)


def test_what_is_full_loses_values_from_the_middle_only():
    rig, central = new(limit=1500), Central()
    for number in range(8):
        session(rig, 40, 1, f"T{number}")
    assert rig.queue.thinned > 0
    rig = again(limit=1500)
    rig.deliver(central)
    equal(central.actions().count("StartTransaction"), 8)
    equal(central.actions().count("StopTransaction"), 8)
    by_id = {}
    for action, payload in central.said:
        if action == "MeterValues":
            amount = payload["meterValue"][0]["sampledValue"][0]["value"]
            by_id.setdefault(payload["transactionId"], []).append(int(amount))
    for found in by_id.values():
        equal((found[0], found[-1]), (1100, 5000))
        equal(found, sorted(found))
