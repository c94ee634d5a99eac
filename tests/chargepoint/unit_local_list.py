"""The local authorization list: versions, updates, look-ups, and what may be wrong with it."""

import sys

from chargepoint import list_calls
from chargepoint.authorization import Authorization
from chargepoint.calls import CallError
from chargepoint.local_list import KEYS, LocalList
from chargepoint.storage import Storage
from checks import equal, raises
from core_rig import Configuration

FOLDER = (sys.argv[2] if len(sys.argv) > 2 else "/tmp") + "/local"
NOW = 1796112000  # 2026-12-01T08:00:00Z


class Point:
    """What the calls need of a core."""

    def __init__(self, **values):
        keys = dict(KEYS)
        keys.update(values)
        self.storage = Storage(FOLDER)
        self.configuration = Configuration(**keys)
        self.list = LocalList(self.storage)
        self.authorization = Authorization(self.storage, self.configuration, self.list)

    def version(self):
        answer, after = list_calls.call(self, "GetLocalListVersion", {})
        equal((list(answer), after), (["listVersion"], None))
        return answer["listVersion"]

    def send(self, version, kind, *entries, **payload):
        payload["listVersion"] = version
        payload["updateType"] = kind
        if entries:
            payload["localAuthorizationList"] = list(entries)
        answer, after = list_calls.call(self, "SendLocalList", payload)
        equal((list(answer), after), (["status"], None))
        return answer["status"]

    def tags(self):
        return sorted(str(each[7 : 7 + each[6]], "utf-8") for each in self.list.entries())


def new(**values):
    point = Point(**values)
    equal(point.send(1, "Full"), "Accepted")
    return point


def entry(id_tag, status="Accepted", **info):
    info["status"] = status
    return {"idTag": id_tag, "idTagInfo": info}


def test_an_empty_list_is_version_0():
    point = new()
    equal(point.version(), 0)
    equal(point.send(7, "Full", entry("A")), "Accepted")
    equal(point.version(), 7)
    equal(point.send(8, "Full"), "Accepted")
    equal((point.version(), point.tags()), (0, []))
    # So the next difference may count from there.
    equal(point.send(1, "Differential", entry("B")), "Accepted")
    equal((point.version(), point.tags()), (1, ["b"]))


def test_what_an_entry_says():
    point = new()
    given = entry("Ab", expiryDate="2026-12-01T09:00:00.123+01:00", parentIdTag="Family")
    equal(point.send(2, "Full", given, entry("no", "Blocked"), entry("ü" * 20)), "Accepted")
    for again in (point, Point()):
        equal(again.version(), 2)
        equal(again.list.find("aB"), ("Accepted", NOW, "Family"))
        equal(again.list.find("NO"), ("Blocked", None, None))
        equal(again.list.find("ü" * 20), ("Accepted", None, None))
        equal(again.list.find("A"), None)
        equal(again.list.find("Abc"), None)
        equal(again.authorization.find("AB", NOW - 1), (True, "Family"))
        equal(again.authorization.find("AB", NOW), (False, "Family"))
        equal(again.authorization.find("no", NOW), (False, None))
        equal(again.authorization.find("x", NOW), None)


def test_a_full_list_replaces_all_whatever_its_version():
    point = new()
    equal(point.send(9, "Full", entry("A"), entry("B")), "Accepted")
    equal(point.send(3, "Full", entry("C")), "Accepted")
    equal((point.version(), point.tags()), (3, ["c"]))


def test_a_difference_adds_changes_and_removes():
    point = new()
    point.send(1, "Full", entry("A"), entry("B"), entry("C", "Blocked"))
    changes = entry("b", "Blocked"), {"idTag": "C"}, entry("D"), {"idTag": "nobody"}
    equal(point.send(2, "Differential", *changes), "Accepted")
    equal((point.version(), point.tags()), (2, ["a", "b", "d"]))
    equal(point.list.find("B")[0], "Blocked")
    equal(point.send(3, "Differential"), "Accepted")
    equal((point.version(), point.tags()), (3, ["a", "b", "d"]))
    for version in (3, 2, 0, -1):
        equal(point.send(version, "Differential", entry("E")), "VersionMismatch")
    equal((point.version(), point.tags()), (3, ["a", "b", "d"]))


def test_what_fails_leaves_the_list_as_it_was():
    point = new(LocalAuthListMaxLength=3, SendLocalListMaxLength=2)
    point.send(5, "Full", entry("A"), entry("B"))
    for version, kind, entries in (
        (6, "Full", (entry("C"), {"idTag": "D"})),  # without idTagInfo
        (6, "Full", (entry("C"), entry("c"))),  # twice
        (6, "Differential", (entry("C"), {"idTag": "C"})),
        (6, "Full", (entry("C"), entry("D"), entry("E"))),  # too many at once
        (6, "Differential", (entry("C"), entry("D"))),  # too many in the end
        (0, "Full", (entry("C"),)),  # says that it is empty
        (-1, "Full", (entry("C"),)),
        (1 << 40, "Full", (entry("C"),)),
    ):
        equal((entries, point.send(version, kind, *entries)), (entries, "Failed"))
    equal((point.version(), point.tags(), point.list.refused), (5, ["a", "b"], 2))
    # What is only changed or removed takes no room.
    equal(point.send(6, "Differential", entry("C")), "Accepted")
    equal(point.send(7, "Differential", entry("A", "Blocked"), {"idTag": "B"}), "Accepted")
    equal(point.tags(), ["a", "c"])


def test_a_list_that_is_switched_off():
    point = new()
    point.send(5, "Full", entry("A"))
    point.configuration.values["LocalAuthListEnabled"] = False
    equal((point.version(), point.send(6, "Full", entry("B"))), (-1, "NotSupported"))
    equal(point.authorization.find("A", NOW), None)
    point.configuration.values["LocalAuthListEnabled"] = True
    equal((point.version(), point.authorization.find("A", NOW)), (5, (True, None)))


def test_payloads_that_are_none():
    point = new()
    point.send(5, "Full", entry("A"))
    send = {"listVersion": 6, "updateType": "Full"}
    for change, code in (
        ({"listVersion": "6"}, "TypeConstraintViolation"),
        ({"listVersion": True}, "TypeConstraintViolation"),
        ({"listVersion": 6.5}, "TypeConstraintViolation"),
        ({"listVersion": None}, "TypeConstraintViolation"),
        ({"updateType": "Half"}, "PropertyConstraintViolation"),
        ({"updateType": None}, "TypeConstraintViolation"),
        ({"other": 1}, "FormationViolation"),
        ({"localAuthorizationList": {}}, "TypeConstraintViolation"),
        ({"localAuthorizationList": [None]}, "TypeConstraintViolation"),
        ({"localAuthorizationList": [{}]}, "OccurenceConstraintViolation"),
        ({"localAuthorizationList": [{"idTag": "x" * 21}]}, "PropertyConstraintViolation"),
        ({"localAuthorizationList": [{"idTag": 1}]}, "TypeConstraintViolation"),
        ({"localAuthorizationList": [{"idTag": "x", "y": 1}]}, "FormationViolation"),
        (
            {"localAuthorizationList": [{"idTag": "x", "idTagInfo": {}}]},
            "OccurenceConstraintViolation",
        ),
        ({"localAuthorizationList": [entry("x", "Fine")]}, "PropertyConstraintViolation"),
        (
            {"localAuthorizationList": [entry("x", expiryDate="tomorrow")]},
            "PropertyConstraintViolation",
        ),
        ({"localAuthorizationList": [entry("x", parentIdTag=1)]}, "TypeConstraintViolation"),
        (
            {"localAuthorizationList": [entry("x", parentIdTag="p" * 21)]},
            "PropertyConstraintViolation",
        ),
    ):
        payload = dict(send)
        payload.update(change)
        error = raises(CallError, list_calls.call, point, "SendLocalList", payload)
        equal((change, error.code), (change, code))
    for name in send:
        payload = dict(send)
        del payload[name]
        error = raises(CallError, list_calls.call, point, "SendLocalList", payload)
        equal(error.code, "OccurenceConstraintViolation")
    error = raises(CallError, list_calls.call, point, "GetLocalListVersion", {"a": 1})
    equal(error.code, "FormationViolation")
    equal((point.version(), point.tags()), (5, ["a"]))


def test_damage_at_each_byte_is_an_empty_list():
    point = new()
    point.send(5, "Full", entry("A", parentIdTag="P"), entry("B"))
    path = FOLDER + "/list.json"
    with open(path, "rb") as file:
        good = file.read()
    for at in range(len(good)):
        for bad in (good[:at], good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]):
            with open(path, "wb") as file:
                file.write(bad)
            # While it runs, and at the next power-up.
            equal(point.list.find("A"), None)
            equal(point.send(6, "Differential", entry("C")), "Failed")
            found = Point()
            equal((found.version(), found.list.find("A")), (0, None))
            equal(found.storage.damaged, 1)
    # The central system sees version 0, and sends all of it.
    equal(found.send(6, "Full", entry("C")), "Accepted")
    equal(Point().tags(), ["c"])


def test_a_flash_that_is_full():
    point = new()
    point.send(5, "Full", entry("A"))
    point.storage.write = lambda name, pieces: False
    equal(point.send(6, "Full", entry("B")), "Failed")
    equal((point.version(), point.tags()), (5, ["a"]))
    equal(Point().version(), 5)


def test_many_entries():
    point = new()
    for part in range(4):
        entries = [entry(f"TAG{part * 50 + each:03}") for each in range(50)]
        equal(point.send(part + 2, "Differential", *entries), "Accepted")
    equal((point.list.count, len(point.tags())), (200, 200))
    equal(point.list.find("tag000")[0], "Accepted")
    equal(point.list.find("tag199")[0], "Accepted")
    equal(point.send(9, "Differential", entry("one more")), "Failed")
