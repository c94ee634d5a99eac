"""What the central system calls: fields, statuses, codes, and what follows the answer."""

import os
import sys

from checks import equal
from whole_rig import Rig

_FOLDER = (sys.argv[2] if len(sys.argv) > 2 else "/tmp") + "/calls"
_made = []


def new(count=2, **keys):
    _made.append(None)
    folder = _FOLDER + str(len(_made))
    os.mkdir(folder)
    rig = Rig(folder, count, keys=keys)
    rig.boot()
    return rig


# what is no call that can be served


def test_unknown_actions_and_known_ones_that_are_not_served():
    rig = new()
    for action in ("Nonsense", "", "reset", "ReserveNow CancelReservation", "BootNotification"):
        equal(rig.ask(action), "NotImplemented")
    for action in ("ReserveNow", "CancelReservation", "GetDiagnostics", "UpdateFirmware"):
        equal(rig.ask(action), "NotSupported")
    # Profiles that are not switched on.
    for action in (
        "GetLocalListVersion",
        "SendLocalList",
        "SetChargingProfile",
        "ClearChargingProfile",
        "GetCompositeSchedule",
    ):
        equal(rig.ask(action), "NotSupported")
    equal(rig.ask("ClearCache"), {"status": "Accepted"})


def test_fields_that_are_missing_too_many_mistyped_or_of_no_sense():
    rig = new()
    ask = rig.ask
    for action, payload in (
        ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
        ("DataTransfer", {"vendorId": "v"}),
        ("RemoteStartTransaction", {"idTag": "T1"}),
        ("RemoteStopTransaction", {"transactionId": 3}),
        ("Reset", {"type": "Soft"}),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
        ("UnlockConnector", {"connectorId": 9}),
    ):
        for name in payload:
            less = dict(payload)
            del less[name]
            equal(ask(action, **less), "OccurenceConstraintViolation")
            for other in (None, True, 1.5, [], {}, "x" if payload[name] == 3 else -1.5):
                wrong = dict(payload)
                wrong[name] = other
                equal(ask(action, **wrong), "TypeConstraintViolation")
        equal(ask(action, extra=1, **payload), "FormationViolation")
    for action, payload in (
        ("ChangeAvailability", {"connectorId": -1, "type": "Operative"}),
        ("ChangeAvailability", {"connectorId": 1, "type": "operative"}),
        ("ChangeConfiguration", {"key": "k" * 51, "value": "60"}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "6" * 501}),
        ("DataTransfer", {"vendorId": "v" * 256}),
        ("GetConfiguration", {"key": ["HeartbeatInterval", "k" * 51]}),
        ("RemoteStartTransaction", {"idTag": "T" * 21}),
        ("RemoteStartTransaction", {"idTag": "T1", "connectorId": -1}),
        ("Reset", {"type": "Warm"}),
        ("TriggerMessage", {"requestedMessage": "Nonsense"}),
        ("UnlockConnector", {"connectorId": -1}),
    ):
        equal(ask(action, **payload), "PropertyConstraintViolation")
    for key in ("HeartbeatInterval", {}, [1], [None], [["x"]]):
        equal(ask("GetConfiguration", key=key), "TypeConstraintViolation")
    equal(ask("ClearCache", all=True), "FormationViolation")
    # Nothing of all that did anything.
    equal(rig.said, [])
    equal(rig.configuration.value("HeartbeatInterval"), 3600)


# configuration


def test_all_keys_however_that_is_asked_for():
    rig = new()
    found = rig.ask("GetConfiguration")
    assert "unknownKey" not in found
    keys = [entry["key"] for entry in found["configurationKey"]]
    equal(keys, sorted(keys))
    assert len(keys) >= 27, keys
    equal(rig.ask("GetConfiguration", key=[]), found)
    for entry in found["configurationKey"]:
        equal([type(entry[name]) for name in ("key", "readonly", "value")], [str, bool, str])


def test_keys_in_any_capitals_and_unknown_ones():
    rig = new()
    equal(
        rig.ask("GetConfiguration", key=["HEARTBEATinterval", "Nonsense", "numberofconnectors"]),
        {
            "configurationKey": [
                {"key": "HeartbeatInterval", "readonly": False, "value": "3600"},
                {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            ],
            "unknownKey": ["Nonsense"],
        },
    )
    equal(rig.ask("GetConfiguration", key=["a", "b"]), {"unknownKey": ["a", "b"]})
    equal(rig.ask("GetConfiguration", key=["x"] * 41), "OccurenceConstraintViolation")


def test_changes_that_are_taken_and_others():
    rig = new()

    def change(key, value):
        return rig.ask("ChangeConfiguration", key=key, value=value)["status"]

    equal(change("heartbeatInterval", "77"), "Accepted")
    equal(rig.session.wait(), 77)  # at once
    equal(change("HeartbeatInterval", "-1"), "Rejected")
    equal(change("Nonsense", "1"), "NotSupported")
    equal(change("NumberOfConnectors", "3"), "Rejected")
    equal(change("LocalPreAuthorize", "maybe"), "Rejected")


def test_a_list_of_measurands_is_taken_whole_or_not():
    rig = new()

    def change(value):
        return rig.ask("ChangeConfiguration", key="MeterValuesSampledData", value=value)["status"]

    register = "Energy.Active.Import.Register"
    for value in (
        "Power.Active.Import,Nonsense",
        "Power.Active.Import," + register + ",Frequency",  # this one has none
        "power.active.import",
        register + ",",
        "," + register,
        "Voltage.L1",
        "Current.Import.L4",
    ):
        equal(change(value), "Rejected")
        equal(rig.configuration.value("MeterValuesSampledData"), register)
    for value in ("Voltage, SoC", register, "", "Current.Import.L1,Power.Active.Import"):
        equal(change(value), "Accepted")
        equal(rig.configuration.value("MeterValuesSampledData"), value)


# start and stop


def test_a_remote_start_without_a_connector_takes_one_with_a_cable():
    rig = new()
    rig.core.plugged(2)
    profile = {"chargingProfileId": 1}
    equal(
        rig.ask("RemoteStartTransaction", idTag="T1", chargingProfile=profile),
        {"status": "Accepted"},
    )
    equal(dict(rig.settle())["StartTransaction"]["connectorId"], 2)
    equal(rig.core.connector(2).id_tag, "T1")
    equal(rig.ask("RemoteStartTransaction", idTag="T1", connectorId=2), {"status": "Rejected"})
    equal(rig.ask("RemoteStartTransaction", idTag="T1", connectorId=3), {"status": "Rejected"})
    equal(rig.ask("RemoteStartTransaction", idTag="T1", connectorId=0), {"status": "Rejected"})


def test_a_remote_stop_follows_its_answer():
    rig = new()
    rig.charge()
    equal(rig.ask("RemoteStopTransaction", transactionId=8), {"status": "Rejected"})
    rig.give(2, "x", "RemoteStopTransaction", {"transactionId": 7})
    assert rig.box.is_closed[1]  # not yet
    equal(rig.send(), [3, "x", {"status": "Accepted"}])
    assert not rig.box.is_closed[1]
    stop = dict(rig.settle())["StopTransaction"]
    equal((stop["transactionId"], stop["reason"]), (7, "Remote"))
    equal(rig.ask("RemoteStopTransaction", transactionId=7), {"status": "Rejected"})


def test_transaction_ids_of_nought_and_below_are_ids():
    for transaction_id in (0, -1, -5):
        rig = new()
        rig.core.plugged(1)
        rig.core.tag(1, "T1")
        rig.settle(transaction_id)
        equal(
            rig.ask("RemoteStopTransaction", transactionId=transaction_id), {"status": "Accepted"}
        )
        equal(dict(rig.settle())["StopTransaction"]["transactionId"], transaction_id)


def test_a_stop_that_came_before_the_answer_was_out_stops_nothing_else():
    rig = new()
    rig.charge()
    rig.give(2, "x", "RemoteStopTransaction", {"transactionId": 7})
    # The card is quicker, and begins anew.
    rig.core.tag(1, "T1")
    rig.core.prepare(rig.core.connector(1), "T2")
    local = rig.core.connector(1).local
    assert local is not None
    rig.settle(8)
    equal(rig.core.connector(1).local, local)


def test_resets_follow_their_answer():
    for kind, reason in (("Hard", "HardReset"), ("Soft", "SoftReset")):
        rig = new()
        rig.charge(2)
        rig.give(2, "x", "Reset", {"type": kind})
        equal(rig.box.resets, [])
        equal(rig.send(), [3, "x", {"status": "Accepted"}])
        found = dict(rig.settle())
        equal(found["StopTransaction"]["reason"], reason)
        rig.after(1)
        equal(rig.box.resets, [kind == "Hard"])


def test_unlocking_and_availability():
    rig = new()
    rig.charge()
    equal(rig.ask("UnlockConnector", connectorId=3), {"status": "NotSupported"})
    equal(rig.ask("UnlockConnector", connectorId=0), {"status": "NotSupported"})
    equal(
        rig.ask("ChangeAvailability", connectorId=0, type="Inoperative"), {"status": "Scheduled"}
    )
    equal(rig.ask("ChangeAvailability", connectorId=3, type="Operative"), {"status": "Rejected"})
    equal(rig.ask("UnlockConnector", connectorId=1), {"status": "Unlocked"})
    statuses = [
        (payload["connectorId"], payload["status"])
        for action, payload in rig.settle()
        if action == "StatusNotification"
    ]
    equal(statuses, [(0, "Unavailable"), (1, "Unavailable"), (2, "Unavailable")])
    equal(rig.ask("ChangeAvailability", connectorId=0, type="Operative"), {"status": "Accepted"})


def test_the_cache_is_cleared_where_there_is_one():
    rig = new()
    rig.charge()
    assert rig.authorization.find("t1", None)
    equal(rig.ask("ClearCache"), {"status": "Accepted"})
    assert not rig.authorization.find("t1", None)
    rig.ask("ChangeConfiguration", key="AuthorizationCacheEnabled", value="false")
    equal(rig.ask("ClearCache"), {"status": "Rejected"})


def test_data_for_nobody_and_for_a_program():
    rig = new()
    equal(rig.ask("DataTransfer", vendorId="v", data="x"), {"status": "UnknownVendorId"})
    rig.core.data_transfer = lambda vendor, message, data: ("Accepted", data and data + "!")
    equal(rig.ask("DataTransfer", vendorId="v", data="x"), {"status": "Accepted", "data": "x!"})
    equal(rig.ask("DataTransfer", vendorId="v", messageId="m"), {"status": "Accepted"})


# what is triggered


def triggered(rig, message, **payload):
    """The status of the answer, which is out first, and what came then."""
    rig.give(2, "x", "TriggerMessage", dict(payload, requestedMessage=message))
    answer = rig.send()
    equal(answer[:2], [3, "x"])
    return answer[2]["status"], rig.settle()


def test_what_is_triggered_follows_the_answer():
    rig = new()
    status, found = triggered(rig, "StatusNotification")
    equal(status, "Accepted")
    equal([payload["connectorId"] for _, payload in found], [0, 1, 2])
    status, found = triggered(rig, "StatusNotification", connectorId=2)
    equal([payload["connectorId"] for _, payload in found], [2])
    status, found = triggered(rig, "StatusNotification", connectorId=0)
    equal([payload["connectorId"] for _, payload in found], [0])
    equal(triggered(rig, "StatusNotification", connectorId=3), ("Rejected", []))
    equal(triggered(rig, "Heartbeat"), ("Accepted", [("Heartbeat", {})]))
    # Errata 3.35.
    equal(triggered(rig, "BootNotification"), ("Rejected", []))
    equal(triggered(rig, "FirmwareStatusNotification"), ("NotImplemented", []))
    equal(triggered(rig, "DiagnosticsStatusNotification"), ("NotImplemented", []))


def test_a_boot_is_triggered_while_it_is_pending():
    rig = new()
    rig.core.registration = rig.session.registration = "Pending"
    status, found = triggered(rig, "BootNotification")
    equal((status, found[0][0]), ("Accepted", "BootNotification"))


def test_values_are_triggered_for_one_and_for_all():
    rig = new(MeterValuesSampledData="Energy.Active.Import.Register,Voltage,SoC")
    rig.charge(2)
    status, found = triggered(rig, "MeterValues")
    equal(status, "Accepted")
    equal(
        found[0],
        (
            "MeterValues",
            {
                "connectorId": 1,
                "meterValue": [
                    {
                        "timestamp": "2026-12-01T08:00:00Z",
                        "sampledValue": [
                            {
                                "value": "1000",
                                "context": "Trigger",
                                "measurand": "Energy.Active.Import.Register",
                                "unit": "Wh",
                            },
                            {
                                "value": "229.5",
                                "context": "Trigger",
                                "measurand": "Voltage",
                                "unit": "V",
                            },
                        ],
                    }
                ],
            },
        ),
    )
    equal(
        [(one[1]["connectorId"], one[1].get("transactionId")) for one in found],
        [(1, None), (2, 7)],
    )
    equal(len(triggered(rig, "MeterValues", connectorId=2)[1]), 1)
    equal(triggered(rig, "MeterValues", connectorId=0), ("Rejected", []))
    # What is triggered is no message of a transaction.
    equal([what for what in rig.said if what[-1] == "MeterValues"], [])
    rig.ask("ChangeConfiguration", key="MeterValuesSampledData", value="")
    status, found = triggered(rig, "MeterValues", connectorId=1)
    equal(found[0][1]["meterValue"][0]["sampledValue"][0]["value"], "1000")
