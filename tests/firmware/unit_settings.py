import os
import sys

import records
from checks import raises
from firmware import settings

PARENT = sys.argv[2]


def written(*slots):
    folder = records.fresh_folder(PARENT)
    for contents in slots:
        records.write(folder, contents)
    return folder


def slot(name, generation, ca=b"", hidden=None, **tables):
    return records.files(
        name,
        records.settings(generation, ca, **tables),
        hidden or records.secrets(generation),
        ca,
    )


def spoil(folder, name, place=10):
    with open(folder + "/" + name, "rb") as file:
        data = bytearray(file.read())
    data[place] ^= 1
    records.write(folder, {name: data})


def refusal(folder):
    with raises(settings.SettingsError) as caught:
        settings.load(folder)
    return caught.text


def test_reads_every_value():
    found = settings.load(written(slot("a", 3, b"\x30\x00" * 700)))
    assert (found.slot, found.generation, found.notice) == ("a", 3, None)
    assert (found.device_id, found.device_kind) == ("CP-7", "charging-point")
    assert (found.endpoint, found.hub) == ("ws://127.0.0.1:7080", "chargers")
    assert (found.credential, found.query) == ("anonymous", {"id": "CP-7"})
    assert found.protocol == "json.reliable.webpubsub.azure.v1"
    assert (found.ssid, found.wifi_password) == ("depot", "open sesame")
    assert (found.telemetry_group, found.telemetry_interval) == ("telemetry", 1)
    assert (found.command_users, found.reply_group) == (["ops"], "replies")
    assert found.command_groups == []
    assert found.ntp == ["127.0.0.1:9"]
    assert found.ca_size == 1400
    assert found.ca_path.endswith("/ca.a")
    assert not found.uses_tls


def test_every_subprotocol_of_the_client_may_be_chosen():
    for encoding in ("json", "protobuf"):
        for kind in ("", ".reliable"):
            name = encoding + kind + ".webpubsub.azure.v1"
            hub = dict(records.settings()["hub"], protocol=name)
            assert settings.load(written(slot("a", 1, hub=hub))).protocol == name


def test_absent_tables_have_defaults():
    found = settings.load(written(slot("a", 1, wifi=None, commands=None, clock=None)))
    assert found.ssid is None
    assert found.command_users == found.command_groups == found.ntp == []
    assert found.reply_group == ""


def test_the_higher_generation_wins():
    folder = written(slot("a", 9), slot("b", 10, device={"id": "new"}))
    assert settings.load(folder).device_id == "new"
    folder = written(slot("a", 11, device={"id": "new"}), slot("b", 10))
    assert settings.load(folder).device_id == "new"


def test_nothing_there():
    text = "no settings on this board: run hubtool configure"
    assert refusal(PARENT + "/nowhere") == text
    assert refusal(written()) == text


def test_each_damaged_file_is_named_with_the_remedy():
    for name in ("settings.a", "secrets.a", "ca.a"):
        folder = written(slot("a", 1, b"\x30\x03abc"))
        spoil(folder, name, 2)
        text = refusal(folder)
        assert text.startswith(f"settings damaged ({name} "), text
        assert text.endswith("run hubtool configure"), text


def test_every_cut_of_a_record_is_noticed():
    complete = records.record(records.settings())
    folder = written(slot("a", 1))
    for size in range(len(complete)):
        records.write(folder, {"settings.a": complete[:size]})
        assert refusal(folder).startswith("settings damaged"), size
    records.write(folder, {"settings.a": complete + b"x"})
    assert refusal(folder).startswith("settings damaged")
    records.write(folder, {"settings.a": complete})
    settings.load(folder)


def test_a_missing_file_is_named():
    for name in ("secrets.a", "ca.a"):
        folder = written(slot("a", 1))
        os.remove(folder + "/" + name)
        assert name + " is missing" in refusal(folder)


def test_the_last_good_copy_and_that_it_says_so():
    for name in ("settings.b", "secrets.b", "ca.b"):
        folder = written(
            slot("a", 4, device={"id": "old"}), slot("b", 5, b"x", device={"id": "new"})
        )
        spoil(folder, name, 0)
        found = settings.load(folder)
        assert (found.device_id, found.generation) == ("old", 4)
        assert name in found.notice
        assert "last good copy, generation 4" in found.notice


def test_an_interrupted_configure_leaves_the_old_settings_without_a_word():
    folder = written(slot("a", 4), slot("b", 5))
    os.remove(folder + "/settings.b")
    found = settings.load(folder)
    assert (found.generation, found.notice) == (4, None)


def test_two_generations_in_one_slot():
    folder = written(slot("a", 2, hidden=records.secrets(3)))
    assert "of another generation" in refusal(folder)


def test_a_schema_of_the_future():
    content = records.settings()
    content["schema"] = 2
    folder = written(records.files("a", content, records.secrets()))
    assert "run hubtool deploy" in refusal(folder)


def test_values_that_no_hubtool_writes():
    hub = records.settings()["hub"]
    for tables, word in (
        ({"device": {"id": ""}}, "device.id"),
        ({"device": {"id": "x" * 65}}, "device.id"),
        ({"device": None}, "device.id"),
        ({"device": {"id": 7}}, "device.id"),
        ({"hub": dict(hub, endpoint="contoso.webpubsub.azure.com")}, "hub.endpoint"),
        ({"hub": dict(hub, credential="key")}, "hub.credential"),
        ({"hub": dict(hub, protocol="mqtt")}, "hub.protocol"),
        ({"hub": dict(hub, query=["a"])}, "hub.query"),
        ({"hub": dict(hub, credential="token")}, "token"),
        ({"telemetry": {"interval": 0}}, "telemetry.interval"),
        ({"telemetry": {"interval": True}}, "telemetry.interval"),
        ({"commands": {"users": "ops"}}, "commands.users"),
        ({"commands": {"users": [1]}}, "commands.users"),
    ):
        text = refusal(written(slot("a", 1, **tables)))
        assert word in text, text
        assert "Traceback" not in text


def test_records_that_are_not_objects():
    for content in ([], 3, "x", None, {"schema": 1}, {"schema": 1, "generation": 0}):
        folder = written(slot("a", 1))
        records.write(folder, {"settings.a": records.record(content)})
        assert "settings damaged" in refusal(folder)


def test_an_endless_file_is_not_read_into_memory():
    folder = written(slot("a", 1))
    with open(folder + "/settings.a", "wb") as file:
        for _ in range(400):
            file.write(b"x" * 1024)
    assert "settings damaged" in refusal(folder)


def test_unknown_keys_are_ignored():
    content = records.settings()
    content["future"] = {"x": 1}
    content["hub"]["later"] = 2
    assert settings.load(written(records.files("a", content, records.secrets()))).slot == "a"


def test_repr_shows_no_secret():
    hub = dict(records.settings()["hub"], credential="token")
    hidden = records.secrets(1, "hunter22hunter22", "eyJ.secret.x")
    found = settings.load(written(slot("a", 1, hidden=hidden, hub=hub)))
    assert found.token == "eyJ.secret.x"
    shown = repr(found) + str(found)
    assert "eyJ" not in shown
    assert "hunter" not in shown
    assert "CP-7" in shown
