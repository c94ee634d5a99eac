import binascii
import sys

import fakes
from firmware import console, report, runtime

SETTINGS = fakes.Module(generation=3, credential="anonymous")
LINK = fakes.Module(state="up", joins=2, address=lambda: "192.168.4.2")
STATS = fakes.Module(
    reconnects=1,
    recoveries=2,
    messages_sent=3,
    messages_received=4,
    bytes_sent=5,
    bytes_received=6,
    duplicates=0,
    dropped=0,
    last_reason=None,
)


class Outbox:
    def __init__(self):
        self.waiting = 3
        self.dropped = {"expired": 1}
        self.name = "not a counter"
        self._secret = 5

    def stored(self):
        pass


def details(reason=None, **client):
    STATS.last_reason = reason
    return report.details(SETTINGS, LINK, fakes.Module(stats=STATS, **client))


def test_what_is_in_it():
    found = details()
    assert found["generation"] == 3
    assert found["link"] == {"state": "up", "joins": 2, "address": "192.168.4.2"}
    assert found["hub"]["recoveries"] == 2
    assert found["hub"]["bytes_received"] == 6
    assert found["hub"]["last_reason"] is None
    assert found["versions"]["python"].split(" ")[0] in ("micropython", "cpython")
    assert "outbox" not in found
    if sys.implementation.name == "micropython":
        assert found["heap"]["free"] > 0
        assert found["heap"]["used"] > 0


def test_when_the_token_ends():
    assert details()["token_expires"] is None
    for claims, wanted in (
        ('{"exp":1798761600}', "2027-01-01 00:00:00Z"),
        ('{"exp":"soon"}', None),
        ("{}", None),
        ("no JSON", None),
    ):
        body = binascii.b2a_base64(claims.encode()).decode().strip()
        SETTINGS.credential, SETTINGS.token = "token", "a." + body + ".c"
        try:
            assert details()["token_expires"] == wanted, claims
        finally:
            SETTINGS.credential = "anonymous"


def test_reasons_are_words_without_tokens():
    found = details(OSError("refused ?access_token=eyJhbGciOi.eyJleHAi.c2lnbmF0dXJl&x"))
    assert found["hub"]["last_reason"] == "refused ?access_token=(hidden)&x"
    assert details(MemoryError())["hub"]["last_reason"] == "MemoryError"


def test_counters_of_an_outbox():
    assert details(outbox=Outbox())["outbox"] == {"waiting": 3, "dropped": {"expired": 1}}


def test_the_cause_of_the_start():
    names = ("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT")
    causes = {name + "_RESET": number for number, name in enumerate(names, 1)}
    words = []
    for number in range(1, 7):
        fakes.install("machine", reset_cause=lambda number=number: number, **causes)
        words.append(report.reset_cause())
    assert words == ["power_on", "hard", "watchdog", "deepsleep", "soft", "6"]
    fakes.install("machine")
    assert report.reset_cause() is None


def test_the_heap_of_the_idf():
    regions = [(7288, 6200, 6016, 6000), (113840, 91904, 86016, 84000)]
    fakes.install("esp32", HEAP_DATA=4, idf_heap_info=lambda kind: regions)
    heap = details()["heap"]
    assert (heap["idf_free"], heap["idf_largest"]) == (98104, 86016)


def test_levels():
    lines = []
    saved = console.say
    console.say = lambda tag, text: lines.append(text)
    try:
        console.debug("a", "not shown")
        console.set_level("debug")
        console.debug("a", "shown")
        assert console.level() == "debug"
        for name in ("loud", None, 7, ["info"]):
            with fakes.raises(ValueError):
                console.set_level(name)
    finally:
        console.set_level("info")
        console.say = saved
    assert lines == ["shown"]


def test_tokens_are_hidden():
    for text, shown in (
        ("nothing here", "nothing here"),
        ("eyJ0.eyJl.x-_y", "(hidden)"),
        ("a eyJ0.eyJl.x, and eyJ1.b.c!", "a (hidden), and (hidden)!"),
        ("eyJ", "(hidden)"),
    ):
        assert console.hide(text) == shown


def test_no_token_gets_onto_the_console():
    lines = []
    console.print = lines.append
    try:
        console.say("hub", "the server said eyJ0.eyJl.c2ln")
        console.Changes("hub").say("again eyJ0.eyJl.c2ln")
        console.set_level("quiet")
        console.say("hub", "not shown")
    finally:
        console.set_level("info")
        del console.print
    assert lines == ["[hub] the server said (hidden)", "[hub] again (hidden)"]


def test_versions():
    assert sorted(runtime.versions()) == ["machine", "python", "webpubsub"]
