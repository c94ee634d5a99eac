"""Configuration keys: what may be written, what is kept, who is heard."""

import os
import sys

from chargepoint.configuration import Configuration
from chargepoint.storage import Storage
from checks import equal

FOLDER = (sys.argv[2] if len(sys.argv) > 2 else "/tmp") + "/keys"


def new(**options):
    for name in ("configuration.json", "configuration.json.new"):
        try:
            os.remove(FOLDER + "/" + name)
        except OSError:
            pass
    return Configuration(Storage(FOLDER), **options)


def again(**options):
    return Configuration(Storage(FOLDER), **options)


def test_what_is_changed_counts_at_once_and_for_ever():
    keys, heard = new(), []
    keys.on_change(heard.append)
    equal(keys.set("HeartbeatInterval", "17"), "Accepted")
    equal(keys.value("HeartbeatInterval"), 17)
    equal(keys.set("localpreauthorize", "TRUE"), "Accepted")
    equal(keys.set("LocalPreAuthorize", "true"), "Accepted")
    equal(heard, ["HeartbeatInterval", "LocalPreAuthorize"])
    keys = again()
    equal((keys.value("HeartbeatInterval"), keys.value("LocalPreAuthorize")), (17, True))


def test_what_is_no_value():
    keys = new()
    for key, text in (
        ("HeartbeatInterval", "-1"),
        ("HeartbeatInterval", "1.5"),
        ("HeartbeatInterval", ""),
        ("HeartbeatInterval", "ten"),
        ("HeartbeatInterval", "99999999999"),
        ("HeartbeatInterval", "2147483648"),
        ("LocalPreAuthorize", "1"),
        ("LocalPreAuthorize", "yes"),
        ("ConnectorPhaseRotation", "x" * 501),
        ("NumberOfConnectors", "2"),
        ("SupportedFeatureProfiles", "Core"),
    ):
        equal(keys.set(key, text), "Rejected")
    equal(keys.set("NoSuchKey", "1"), "NotSupported")
    equal(keys.value("HeartbeatInterval"), 300)


def test_names_in_any_capitals():
    keys = new()
    equal(keys.find("heartbeatINTERVAL"), "HeartbeatInterval")
    equal(keys.find("other"), None)


def test_what_a_charging_point_has_of_its_own():
    keys = new(fixed={"NumberOfConnectors": 2}, absent=("LocalAuthListEnabled",))
    equal(keys.text("NumberOfConnectors"), "2")
    assert keys.is_read_only("NumberOfConnectors")
    equal(keys.find("LocalAuthListEnabled"), None)
    equal(keys.set("LocalAuthListEnabled", "true"), "NotSupported")


def test_values_that_are_checked_by_others():
    keys = new()
    keys.validators["MeterValuesSampledData"] = lambda text: text == "Voltage"
    equal(keys.set("MeterValuesSampledData", "Voltage,Nonsense"), "Rejected")
    equal(keys.set("MeterValuesSampledData", "Voltage"), "Accepted")


def test_keys_that_are_written_only():
    keys, got = new(), []

    def write(text):
        got.append(text)
        return "RebootRequired"

    keys.writers["authorizationkey"] = write
    equal(keys.set("AuthorizationKey", "s3cret"), "RebootRequired")
    equal(got, ["s3cret"])
    assert "AuthorizationKey" not in list(keys.keys())
    equal(keys.find("AuthorizationKey"), None)


def test_a_file_of_another_version():
    storage = new()._storage  # noqa: SLF001 the same folder
    storage.save("configuration", {"HeartbeatInterval": "x", "Gone": 1, "ConnectionTimeOut": 9})
    keys = again()
    equal((keys.value("HeartbeatInterval"), keys.value("ConnectionTimeOut")), (300, 9))
    storage.save("configuration", [1])
    equal(again().value("ConnectionTimeOut"), 60)
