import os
import sys

import flash
import power_cuts
import records
from checks import raises
from firmware import settings, slots

PARENT = sys.argv[2]
CA = b"\x30\x82" + bytes(range(250)) * 6


def prepare(folder, slot="a", generation=4, **tables):
    content = records.settings(generation, CA, **tables)
    records.write(
        folder, records.files(slot, content, records.secrets(generation, token="old.t.x"), CA)
    )
    return records.load(folder)


def fresh(**tables):
    return prepare(records.fresh_folder(PARENT), **tables)


def names(folder):
    return sorted(os.listdir(folder))


def change(found):
    hub = {"endpoint": "wss://other.example", "credential": "token", "query": None}
    return slots.propose(found, hub, "new.t.x", b"\x30\x82new")


def test_a_candidate_is_the_settings_with_changes():
    found = fresh()
    candidate = change(found)
    assert (candidate.slot, candidate.generation) == ("b", 5)
    assert (candidate.endpoint, candidate.token) == ("wss://other.example", "new.t.x")
    assert candidate.query == {}
    assert candidate.ca_size == 5
    assert candidate.wifi_password == "open sesame"
    assert (candidate.hub, candidate.command_users) == ("chargers", ["ops"])
    assert candidate.telemetry_interval == found.telemetry_interval


def test_a_candidate_does_not_count_until_it_is_accepted():
    found = fresh()
    candidate = change(found)
    now = records.load(found.folder)
    assert (now.slot, now.generation, now.token) == ("a", 4, "old.t.x")
    assert now.notice is None
    slots.accept(candidate)
    now = records.load(found.folder)
    assert (now.slot, now.generation, now.token) == ("b", 5, "new.t.x")
    assert slots.CANDIDATE not in names(found.folder)


def test_what_is_not_changed_stays_byte_for_byte():
    found = fresh()
    slots.accept(slots.propose(found, token="new.t.x"))
    now = records.load(found.folder)
    assert (now.endpoint, now.credential) == (found.endpoint, found.credential)
    with open(now.ca_path, "rb") as file:
        assert file.read() == CA


def test_slots_take_turns():
    found = fresh()
    for generation in range(5, 9):
        slots.accept(slots.propose(found, token=f"t.{generation}.x"))
        found = records.load(found.folder)
        assert found.generation == generation
        assert found.token == f"t.{generation}.x"
    assert found.slot == "a"
    assert names(found.folder) == [
        "ca.a",
        "ca.b",
        "secrets.a",
        "secrets.b",
        "settings.a",
        "settings.b",
    ]


def test_a_discarded_candidate_leaves_the_settings_in_use():
    found = fresh()
    change(found)
    slots.discard(found.folder)
    slots.discard(found.folder)
    assert records.load(found.folder).generation == 4


def test_keys_of_the_future_and_letters_of_all_kinds_survive():
    found = fresh(device={"id": "Säule №7", "kind": "x"}, later={"a": [1, None, True, 2.5]})
    slots.accept(slots.propose(found, token="new.t.x"))
    now = records.load(found.folder)
    assert now.device_id == "Säule №7"
    content = slots.read_record(found.folder, "settings.b")
    assert content["later"] == {"a": [1, None, True, 2.5]}


def test_settings_that_would_not_be_valid_are_refused_and_leave_nothing():
    found = fresh()
    for hub, token, longest in (({"endpoint": "nowhere"}, None, 16384), (None, "xxx", 100)):
        saved, slots.MAX_RECORD = slots.MAX_RECORD, longest
        try:
            with raises(settings.SettingsError) as caught:
                slots.propose(found, hub, token)
        finally:
            slots.MAX_RECORD = saved
        assert "could not be stored" in caught.text
        assert "xxx" not in caught.text
        assert slots.CANDIDATE not in names(found.folder)
        assert records.load(found.folder).token == "old.t.x"


def check(folder, accepted):
    """Old settings, or (only when they were accepted) the new ones: never half of anything."""
    now = records.load(folder)
    assert now.notice is None
    with open(now.ca_path, "rb") as file:
        ca = file.read()
    if now.generation == 4:
        assert (now.slot, now.token, now.credential) == ("a", "old.t.x", "anonymous")
        assert ca == CA
        return 4
    assert accepted
    assert (now.slot, now.generation, now.token) == ("b", 5, "new.t.x")
    assert now.endpoint == "wss://other.example"
    assert ca == b"\x30\x82new"
    return 5


def test_power_cut_at_every_write_of_a_candidate():
    if not flash.supported():
        print("not on CPython, which has no littlefs: the same test runs on MicroPython")
        return
    for work in (change, lambda found: slots.propose(found, token="new.t.x")):
        writes = power_cuts.cut_everywhere(
            prepare,
            lambda folder, work=work: work(records.load(folder)),
            lambda folder, cut: check(folder, False),
        )
        assert writes > 12, writes


def test_power_cut_at_every_write_of_a_change_over_an_older_slot():
    if not flash.supported():
        print("not on CPython, which has no littlefs: the same test runs on MicroPython")
        return
    seen = []

    def both(folder):
        prepare(folder, "b", 3)
        prepare(folder)

    def work(folder):
        slots.accept(change(records.load(folder)))

    writes = power_cuts.cut_everywhere(
        both, work, lambda folder, cut: seen.append(check(folder, True))
    )
    assert writes > 12, writes
    assert set(seen) == {4, 5}
    print("power cuts:", len(seen), "of which the old settings:", seen.count(4))
