"""Keys and security profiles, on trial until they have let us in; and addresses."""

from chargepoint import addresses
from chargepoint.clock import Clock
from chargepoint.credentials import Credentials
from charging_fakes import Storage
from checks import equal, raises

OLD, NEW = b"old key of 16 by", bytes(range(0xF0, 0x100)) + b"\x00:\r\n"
HEX = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff003a0d0a"


class Rig:
    """Credentials, where they are kept, and time."""

    def __init__(self, key=OLD, profile=1, highest=3, **given):
        self.ms = 0
        self.storage = Storage()
        self.given = (key, profile, highest), given
        self.boot()

    def boot(self):
        """Power up."""
        self.clock = Clock(lambda: self.ms)
        positional, named = self.given
        self.credentials = Credentials(self.storage, self.clock, *positional, **named)
        return self.credentials

    def key(self):
        """The key in force, as a server would see it."""
        from binascii import a2b_base64

        header = self.credentials.headers("CP-7")["Authorization"]
        assert header.startswith("Basic "), header
        return a2b_base64(header[6:]).split(b":", 1)[1]


def test_what_a_connection_is_given():
    rig = Rig(key="text", profile=2)
    equal(rig.key(), b"text")
    equal(Rig(profile=3).credentials.headers("CP-7"), {})
    equal(Rig(profile=0).credentials.headers("CP-7"), {})
    equal(Rig(key=None, profile=0).credentials.headers("CP-7"), {})


def test_a_new_key_is_hexadecimal_and_becomes_bytes():
    for text in (HEX, HEX.upper(), HEX[:32]):
        rig = Rig()
        equal(rig.credentials.write_key(text), "Accepted")
        assert rig.credentials.changed
        equal(rig.key(), NEW[: len(text) // 2])


def test_what_is_no_key():
    for text in (
        "",
        "password",
        HEX[:30],
        HEX[:33],
        HEX + "00",
        "g" * 32,
        " " + HEX[:31],
        "\u00e4" * 32,
    ):
        rig = Rig()
        equal((text, rig.credentials.write_key(text)), (text, "Rejected"))
        equal((rig.key(), rig.credentials.changed, rig.storage.values), (OLD, False, {}))


def test_a_key_that_lets_us_in_stays():
    rig = Rig()
    rig.credentials.write_key(HEX)
    rig.boot()  # in mid-trial
    equal((rig.key(), rig.credentials.on_trial), (NEW, True))
    rig.credentials.connected()
    assert not rig.credentials.on_trial
    for _ in range(5):
        assert not rig.credentials.failed(401)
    rig.boot()
    equal((rig.key(), rig.credentials.on_trial), (NEW, False))
    # The one before is nowhere.
    assert OLD.decode() not in repr(rig.storage.values)
    from binascii import hexlify

    assert hexlify(OLD).decode() not in repr(rig.storage.values)


def test_back_to_the_old_key_after_three_refusals():
    rig = Rig()
    rig.credentials.write_key(HEX)
    equal([rig.credentials.failed(status) for status in (401, 503, 401, 0)], [False] * 4)
    assert rig.credentials.failed(401)
    equal(rig.key(), OLD)
    rig.boot()
    equal((rig.key(), rig.credentials.on_trial), (OLD, False))


def test_back_to_the_old_key_after_five_minutes():
    rig = Rig()
    rig.ms = 1000000
    rig.credentials.write_key(HEX)
    rig.ms += 299000
    assert not rig.credentials.failed()
    equal(rig.credentials.left(), 1)
    rig.ms += 1000
    assert rig.credentials.failed()
    equal(rig.key(), OLD)


def test_a_second_new_key_goes_back_to_the_one_that_was_let_in():
    rig = Rig()
    rig.credentials.write_key(HEX)
    rig.credentials.write_key("00" * 20)
    for _ in range(3):
        rig.credentials.failed(401)
    equal(rig.key(), OLD)


def test_where_nothing_can_be_written_nothing_changes():
    rig = Rig()
    rig.storage.full = True
    equal(rig.credentials.write_key(HEX), "Rejected")
    equal((rig.key(), rig.credentials.changed, rig.credentials.on_trial), (OLD, False, False))
    equal(rig.credentials.write_profile("2"), "Rejected")
    equal(rig.credentials.profile, 1)


def test_newer_settings_win():
    rig = Rig()
    rig.credentials.write_key(HEX)
    rig.credentials.connected()
    rig.given = ("another key", 1, 3), {}
    rig.boot()
    equal(rig.key(), b"another key")
    rig.given = (OLD, 1, 3), {"generation": 1}
    rig.boot()
    equal(rig.key(), OLD)
    # The same settings as when it came: it holds.
    rig.given = (OLD, 1, 3), {}
    rig.boot()
    equal(rig.key(), NEW)


def test_the_profile_only_goes_up():
    rig = Rig()
    for text in ("0", "", "x", "-1", "4", "02", "2.0", "\u0662"):
        equal((text, rig.credentials.write_profile(text)), (text, "Rejected"))
    equal((rig.credentials.write_profile("1"), rig.credentials.changed), ("Accepted", False))
    equal(rig.credentials.write_profile("2"), "Accepted")
    assert rig.credentials.changed
    rig.credentials.connected()
    equal(rig.credentials.write_profile("1"), "Rejected")
    equal(rig.credentials.write_profile("3"), "Accepted")
    for _ in range(3):
        rig.credentials.failed(401)
    equal(rig.credentials.profile, 2)
    rig.boot()
    equal(rig.credentials.profile, 2)


def test_a_profile_needs_what_it_is_made_of():
    equal(Rig(highest=1).credentials.write_profile("2"), "Rejected")
    equal(Rig(key=None, profile=0).credentials.write_profile("1"), "Rejected")
    equal(Rig(key=None, profile=0).credentials.write_profile("3"), "Accepted")


def test_nothing_shows_a_key():
    rig = Rig(key="secret-of-sixteen")
    rig.credentials.write_key(HEX)
    for text in (repr(rig.credentials), str(rig.credentials)):
        assert "secret" not in text and HEX not in text, text  # noqa: PT018


def test_addresses():
    for base, hub, secure, url in (
        ("wss://csms.example/ocpp", None, False, "wss://csms.example/ocpp/CP%2F7%20%C3%A4"),
        ("wss://csms.example/ocpp/", None, True, "wss://csms.example/ocpp/CP%2F7%20%C3%A4"),
        ("ws://h:80?a=1&b=2", None, False, "ws://h:80/CP%2F7%20%C3%A4?a=1&b=2"),
        ("ws://h/x", None, True, "wss://h/x/CP%2F7%20%C3%A4"),
        ("https://h", "ev", False, "wss://h/client/hubs/ev?id=CP%2F7%20%C3%A4"),
        ("HTTP://h/", "ev", False, "ws://h/client/hubs/ev?id=CP%2F7%20%C3%A4"),
        ("wss://h?a=1", "ev", False, "wss://h/client/hubs/ev?id=CP%2F7%20%C3%A4&a=1"),
    ):
        equal(addresses.url_of(base, "CP/7 \u00e4", hub, secure), url)
    equal(addresses.encoded("aZ09-._~:%+"), "aZ09-._~%3A%25%2B")
    for base in ("", "csms.example/ocpp", "mqtt://h", "wss://", "://h"):
        raises(ValueError, addresses.url_of, base, "CP-7")
    raises(ValueError, addresses.url_of, "wss://h", "")


def test_basic():
    equal(addresses.basic("AL1000", b"\x00\x01\x02\x03\xff"), "Basic QUwxMDAwOgABAgP/")
    equal(len(addresses.basic("x" * 48, b"y" * 100)), 6 + 200)
