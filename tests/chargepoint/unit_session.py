"""The OCPP-J session: boot, heartbeat, one open call, and what comes in."""

import json

from chargepoint.calls import Call, CallError
from charging_fakes import BOOT, Rig
from checks import equal

# boot


def test_nothing_but_the_boot_goes_out_before_it_is_accepted():
    rig = Rig()
    rig.core.put("StatusNotification")
    rig.queue.put("StartTransaction")
    equal(rig.next(), None)
    rig.session.connected()
    boot = rig.next()
    equal(boot[:1] + boot[2:], [2, "BootNotification", BOOT])
    assert 0 < len(boot[1]) <= 36
    equal(rig.all(), [])
    assert not rig.core.online
    rig.result(boot, status="Accepted", currentTime="2026-12-01T08:00:00.123456789Z", interval=77)
    assert rig.core.online
    equal((rig.core.registration, rig.session.registration), ("Accepted", "Accepted"))
    equal(rig.clock.utc(), 1796112000)
    equal(rig.configuration.value("HeartbeatInterval"), 77)
    equal(rig.next()[2], "StatusNotification")


def test_pending_waits_for_its_interval_and_answers_meanwhile():
    rig = Rig()
    rig.queue.put("StartTransaction")
    rig.core.put("StatusNotification")
    rig.session.connected()
    boot = rig.next()
    rig.result(boot, status="Pending", currentTime="2026-12-01T08:00:00Z", interval=20)
    equal((rig.all(), rig.session.wait()), ([], 20))
    equal(rig.call("GetConfiguration"), [3, "c1", {"status": "Accepted"}])
    # These are not allowed yet.
    equal(rig.call("RemoteStartTransaction", idTag="A"), [3, "c1", {"status": "Rejected"}])
    equal(rig.call("RemoteStopTransaction", transactionId=1), [3, "c1", {"status": "Rejected"}])
    equal([action for action, _ in rig.core.served], ["GetConfiguration"])
    # What was triggered goes out.
    rig.core.triggered.append(Call("StatusNotification", {"connectorId": 0}))
    status = rig.next()
    equal(status[2:], ["StatusNotification", {"connectorId": 0}])
    rig.result(status)
    rig.after(19)
    equal(rig.all(), [])
    rig.after(1)
    again = rig.next()
    equal(again[2], "BootNotification")
    assert again[1] != boot[1]
    rig.result(again, status="Accepted", currentTime="2026-12-01T08:00:20Z", interval=300)
    equal(rig.next()[2], "StatusNotification")


def test_a_triggered_boot_goes_out_at_once_and_counts():
    rig = Rig()
    rig.session.connected()
    rig.result(rig.next(), status="Pending", currentTime="2026-12-01T08:00:00Z", interval=3600)
    rig.core.triggered.append(Call("BootNotification", None))
    boot = rig.next()
    equal(boot[2:], ["BootNotification", BOOT])
    rig.result(boot, status="Accepted", currentTime="2026-12-01T08:00:00Z", interval=300)
    assert rig.core.online


def test_a_triggered_heartbeat_sets_the_clock():
    rig = Rig()
    rig.accept()
    rig.core.triggered.append(Call("Heartbeat", None))
    beat = rig.next()
    equal(beat[2:], ["Heartbeat", {}])
    rig.result(beat, currentTime="2026-12-01T10:00:00+01:00")
    equal(rig.clock.utc(), 1796115600)


def test_rejected_is_silence_until_the_interval_is_over():
    rig = Rig()
    rig.session.connected()
    rig.give(2, "early", "GetConfiguration", {})
    boot = rig.next()
    if boot[0] == 3:
        boot = rig.next()
    rig.result(boot, status="Rejected", currentTime="2026-12-01T08:00:00Z", interval=60)
    rig.core.triggered.append(Call("StatusNotification", {}))
    for second in range(60):
        rig.give(2, "c1", "GetConfiguration", {})
        rig.give(2, "c2", "GetConfiguration")
        equal((rig.all(), rig.session.wait()), ([], 60 - second))
        rig.after(1)
    equal(len(rig.core.served), 1)
    equal((rig.session.ignored, rig.session.malformed), (60, 60))
    equal(rig.next()[2], "BootNotification")


def test_rejected_stays_silent_over_a_new_connection():
    rig = Rig()
    rig.session.connected()
    rig.result(rig.next(), status="Rejected", currentTime="2026-12-01T08:00:00Z", interval=60)
    rig.after(10)
    rig.session.lost()
    rig.after(10)
    rig.session.connected()
    equal((rig.all(), rig.session.wait()), ([], 40))
    rig.after(40)
    equal(rig.next()[2], "BootNotification")


def test_an_interval_that_is_none_is_a_pause_of_its_own():
    for status in ("Pending", "Rejected"):
        for interval in (0, -5, 1 << 40, None, "60", True):
            rig = Rig()
            rig.session.connected()
            for attempt in range(1, 4):
                boot = rig.next()
                equal(boot[2], "BootNotification")
                rig.result(boot, status=status, currentTime="x", interval=interval)
                equal((rig.all(), rig.backoff.attempt), ([], attempt))
                rig.after(6)
                equal(rig.all(), [])
                rig.after(2)


def test_an_interval_of_years_is_a_day():
    rig = Rig()
    rig.session.connected()
    rig.result(rig.next(), status="Rejected", currentTime="", interval=1 << 29)
    rig.after(86399)
    equal(rig.all(), [])
    rig.after(1)
    equal(rig.next()[2], "BootNotification")


def test_accepted_with_an_interval_of_0_keeps_the_heartbeat():
    for interval in (0, -1, None, "7", 1 << 40):
        rig = Rig()
        rig.accept(interval=interval)
        equal(rig.configuration.value("HeartbeatInterval"), 300)
        assert rig.core.online


def test_a_boot_that_gets_no_answer_or_nonsense_is_tried_again():
    for answer in (
        lambda boot: None,
        lambda boot: (4, boot[1], "InternalError", "", {}),
        lambda boot: (4, boot[1]),
        lambda boot: (3, boot[1], {}),
        lambda boot: (3, boot[1], None),
        lambda boot: (3, boot[1]),
        lambda boot: (3, boot[1], {"status": "accepted", "interval": 1}),
        lambda boot: (3, boot[1], {"status": ["Accepted"], "interval": 1}),
    ):
        rig = Rig()
        rig.session.connected()
        boot = rig.next()
        message = answer(boot)
        if message:
            rig.give(*message)
        else:
            rig.after(31)
        equal((rig.all(), rig.backoff.attempt, rig.core.online), ([], 1, False))
        rig.after(9)
        again = rig.next()
        equal(again[2], "BootNotification")
        assert again[1] != boot[1]


def test_no_boot_on_a_mere_reconnect():
    rig = Rig()
    rig.accept()
    equal(rig.core.reports, 1)
    rig.session.lost()
    assert not rig.core.online
    rig.queue.put("StopTransaction")
    equal(rig.all(), [])
    rig.after(1000)
    rig.session.connected()
    assert rig.core.online
    equal(rig.next()[2], "StopTransaction")
    equal(rig.core.reports, 1)


def test_a_connection_that_was_lost_before_the_answer_boots_again_at_once():
    rig = Rig()
    rig.session.connected()
    boot = rig.next()
    rig.session.lost()
    rig.session.connected()
    again = rig.next()
    equal(again[2], "BootNotification")
    assert again[1] != boot[1]


# heartbeat


def test_a_heartbeat_after_silence_only():
    rig = Rig()
    rig.accept(interval=100)
    equal(rig.session.wait(), 100)
    rig.after(60)
    rig.call("GetConfiguration")  # an answer is a sign of life, too
    rig.after(60)
    equal((rig.all(), rig.session.wait()), ([], 40))
    rig.after(40)
    beat = rig.next()
    equal(beat[2:], ["Heartbeat", {}])
    rig.result(beat, currentTime="2026-12-01T09:00:00Z")
    equal(rig.clock.utc(), 1796115600)
    # The interval that is in force now counts.
    rig.configuration.set("HeartbeatInterval", "5")
    rig.after(5)
    equal(rig.next()[2], "Heartbeat")


def test_a_heartbeat_once_a_day_in_any_case():
    for interval in (300, 0):
        rig = Rig(HeartbeatInterval=interval)
        rig.accept(interval=0)
        beats = 0
        for _ in range(3 * 24 * 15):
            rig.after(240)
            rig.call("GetConfiguration")
            for message in rig.all():
                equal(message[2], "Heartbeat")
                beats += 1
                rig.result(message, currentTime="nonsense")
        equal(beats, 3)


def test_a_heartbeat_that_gets_no_answer_is_no_flood():
    rig = Rig()
    rig.accept(interval=100)
    for _ in range(3):
        rig.after(100)
        equal(len(rig.all()), 1)
        rig.after(31)
        equal(rig.all(), [])
        rig.session.received(b"[]")


# one open call


def test_one_call_is_open_at_a_time_and_the_peers_are_answered():
    rig = Rig()
    rig.accept()
    rig.queue.put("StartTransaction", {"meterStart": 1})
    rig.queue.put("MeterValues")
    rig.core.put("StatusNotification")
    status = rig.next()
    equal(status[2], "StatusNotification")
    equal(rig.all(), [])
    equal(rig.call("ClearCache"), [3, "c1", {"status": "Accepted"}])
    equal(rig.all(), [])
    rig.result(status)
    equal(rig.core.results, [{}])
    start = rig.next()
    equal(start[2:], ["StartTransaction", {"meterStart": 1}])
    rig.result(start, transactionId=0)
    equal(rig.queue.results, [{"transactionId": 0}])
    equal(rig.next()[2], "MeterValues")


def test_a_call_without_an_answer_is_over_after_its_time():
    rig = Rig()
    rig.accept()
    rig.queue.put("StopTransaction", lambda: {"meterStop": 5})
    stop = rig.next()
    equal(stop[3], {"meterStop": 5})
    equal(rig.session.wait(), 31)
    rig.after(30)
    equal((rig.all(), rig.queue.errors), ([], []))
    rig.after(1)
    equal((rig.all(), rig.queue.errors, rig.session.timeouts), ([], [None], 1))
    # Another attempt has another id; what comes late is not its answer.
    rig.queue.put("StopTransaction")
    again = rig.next()
    assert again[1] != stop[1]
    rig.result(stop)
    equal((rig.session.ignored, rig.queue.results), (1, []))
    rig.result(again)
    rig.result(again)
    equal((rig.session.ignored, rig.queue.results), (2, [{}]))


def test_the_time_of_now_counts_for_the_open_call():
    rig = Rig()
    rig.accept()
    rig.queue.put("MeterValues")
    rig.next()
    rig.after(10)
    rig.configuration.set("MessageTimeout", "5")
    equal(rig.session.wait(), 1)
    rig.next()
    equal(rig.queue.errors, [None])
    rig.configuration.set("MessageTimeout", "120")
    rig.queue.put("MeterValues")
    rig.next()
    rig.after(120)
    rig.next()
    equal(rig.queue.errors, [None])


def test_errors_and_the_end_of_the_connection_reach_the_open_call():
    rig = Rig()
    rig.accept()
    for message, code in (
        ((4, None, "InternalError", "text", {}), "InternalError"),
        ((4, None, "NoSuchCode"), "NoSuchCode"),
        ((4, None, 17, "", {}), "GenericError"),
        ((4, None, "", "", {}), "GenericError"),
        ((4, None), "GenericError"),
        ((3, None, []), "FormationViolation"),
        ((3, None, "x"), "FormationViolation"),
        ((3, None), "FormationViolation"),
    ):
        rig.queue.put("MeterValues")
        sent = rig.next()
        rig.give(message[0], sent[1], *message[2:])
        equal((message, rig.queue.errors.pop()), (message, code))
    rig.queue.put("MeterValues")
    sent = rig.next()
    rig.session.lost()
    equal(rig.queue.errors, [None])
    rig.session.connected()
    rig.result(sent)
    equal(rig.session.ignored, 1)


def test_an_answer_that_makes_no_sense_is_an_error():
    rig = Rig()
    rig.accept()
    rig.queue.put("StartTransaction", {}, lambda payload: payload["transactionId"] + 1)
    rig.result(rig.next())
    equal((rig.queue.errors, rig.session.failures), (["FormationViolation"], 1))


def test_a_payload_that_cannot_be_made_is_an_error():
    rig = Rig()
    rig.accept()
    rig.queue.put("MeterValues", lambda: 1 // 0)
    equal(rig.next(), None)
    equal(rig.queue.errors, ["InternalError"])
    equal(rig.next(), None)
    rig.queue.put("MeterValues")
    equal(rig.next()[2], "MeterValues")


def test_no_id_comes_twice():
    rig = Rig()
    rig.accept()
    other = Rig()
    ids = {other.accept()[1]}
    for _ in range(200):
        rig.queue.put("MeterValues")
        message = rig.next()
        assert len(message[1]) <= 36
        ids.add(message[1])
        rig.result(message)
    equal(len(ids), 201)


def test_a_link_on_which_nothing_comes_is_dead():
    rig = Rig()
    rig.accept()
    for number in range(1, 4):
        assert not rig.session.dead
        rig.queue.put("MeterValues")
        rig.next()
        rig.after(31)
        rig.next()
        equal(rig.session.timeouts, number)
    assert rig.session.dead
    rig.session.lost()
    rig.session.connected()
    assert not rig.session.dead


def test_a_slow_peer_that_lives_is_not_dead():
    rig = Rig()
    rig.accept()
    for _ in range(10):
        rig.queue.put("MeterValues")
        sent = rig.next()
        rig.after(31)
        rig.next()
        rig.result(sent)
    assert not rig.session.dead


def test_whoever_leaves_answers_and_waits_for_answers_first():
    rig = Rig()
    rig.accept()
    assert rig.session.idle
    rig.queue.put("MeterValues")
    rig.queue.put("MeterValues")
    sent = rig.next()
    rig.session.leaving = True
    rig.give(2, "c1", "ClearCache", {})
    assert not rig.session.idle
    equal(rig.next()[:2], [3, "c1"])
    assert not rig.session.idle
    rig.result(sent)
    assert rig.session.idle
    equal(rig.next(), None)
    rig.session.leaving = False
    equal(rig.next()[2], "MeterValues")


# calls of the central system


def test_errors_of_the_core_are_answered_with_their_code():
    rig = Rig()
    rig.accept()
    for error, code, text in (
        (
            CallError("OccurenceConstraintViolation", "idTag"),
            "OccurenceConstraintViolation",
            "idTag",
        ),
        (CallError("FormationViolation"), "FormationViolation", ""),
        (CallError("NotImplemented", "x" * 300), "NotImplemented", "x" * 255),
        (KeyError("secret"), "InternalError", "KeyError"),
        (MemoryError(), "InternalError", "no memory"),
    ):
        rig.core.answers["Reset"] = error
        equal(rig.call("Reset"), [4, "c1", code, text, {}])
    equal(rig.session.failures, 1)


def test_what_follows_an_answer_is_done_once_that_is_out():
    rig = Rig()
    rig.accept()
    done = []
    rig.core.answers["Reset"] = ({"status": "Accepted"}, lambda: done.append(1))
    rig.give(2, "r", "Reset", {"type": "Soft"})
    equal(done, [])
    assert rig.session.next()
    equal(done, [])
    rig.session.sent()
    equal(done, [1])
    # What was agreed to is done also when the answer met the end of the connection.
    for fetch in (False, True):
        rig.give(2, "r", "Reset", {"type": "Soft"})
        if fetch:
            rig.session.next()
        rig.session.lost()
        rig.session.connected()
    equal(done, [1, 1, 1])
    rig.core.answers["Reset"] = ({"status": "Accepted"}, lambda: 1 // 0)
    rig.call("Reset")
    equal(rig.session.failures, 1)


def test_answers_leave_in_the_order_of_the_calls():
    rig = Rig()
    rig.accept()
    ids = ["a", "b", "c", "d", "e", "f"]
    for number, id_ in enumerate(ids):
        equal(rig.session.busy, number > 3)
        rig.give(2, id_, "ClearCache", {})
    equal([message[1] for message in rig.all()], ids)


# what is no message


def test_texts_that_are_no_messages_are_dropped_and_counted():
    rig = Rig()
    rig.accept()
    texts = (
        b"",
        b"null",
        b"{}",
        b"[]",
        b"[2",
        b"[2]",
        b'[2,"id",',
        b'"text"',
        b"17",
        b'[5,"id","Reset",{}]',
        b'["2","id","Reset",{}]',
        b'[null,"id","Reset",{}]',
        b'[true,"id","Reset",{}]',
        b'[2,17,"Reset",{}]',
        b'[2,null,"Reset",{}]',
        b'[2,"' + 300 * b"x" + b'","Reset",{}]',
        b"[" * 100,
        b"[" * 100 + b"]" * 100,
        b"\x00",
        b"\xff\xfe",
    )
    for number, text in enumerate(texts, 1):
        rig.session.received(text)
        equal((text, rig.all(), rig.session.malformed), (text, [], number))
    equal(rig.core.served, [])


def test_calls_that_are_none_get_a_formation_violation():
    rig = Rig()
    rig.accept()
    for text in (
        b'[2,"c1"]',
        b'[2,"c1","Reset"]',
        b'[2,"c1",17,{}]',
        b'[2,"c1",null,{}]',
        b'[2,"c1","Reset",null]',
        b'[2,"c1","Reset",[]]',
        b'[2,"c1","Reset","x"]',
        b'[2,"c1","Reset",{},{}]',
    ):
        rig.session.received(text)
        answer = rig.next()
        equal((text, answer[:3]), (text, [4, "c1", "FormationViolation"]))
        equal(len(answer), 5)
    equal(rig.core.served, [])


def test_characters_come_and_go_as_they_are():
    rig = Rig()
    rig.accept()
    for text in ("\U0001f50c", "\u00e4\u4e2d", "\x00", 'a"b\\c\n', "\u2028"):
        rig.core.answers["DataTransfer"] = {"status": "Accepted", "data": text}
        written = json.dumps([2, text, "DataTransfer", {"data": text}])
        rig.session.received(written.encode())
        equal(rig.core.served[-1], ("DataTransfer", {"data": text}))
        equal(rig.next(), [3, text, {"status": "Accepted", "data": text}])
    rig.session.received(b'[2,"\\ud83d\\udd0c","DataTransfer",{"data":"\\ud83d\\udd0c\\u0000"}]')
    equal(rig.core.served[-1], ("DataTransfer", {"data": "\U0001f50c\x00"}))
    equal(rig.next()[1], "\U0001f50c")


def test_a_payload_may_be_nested_deeply():
    rig = Rig()
    rig.accept()
    text = '[2,"c1","DataTransfer",{"data":' + "[" * 100 + "1" + "]" * 100 + "}]"
    rig.session.received(text.encode())
    equal(rig.next(), [3, "c1", {"status": "Accepted"}])
