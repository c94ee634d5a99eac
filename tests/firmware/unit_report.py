import asyncio
import binascii

import fakes
from checks import raises
from firmware import console, hiding, orders, report, shortage
from firmware.commands import CommandError
from webpubsub import Outbox

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


class Client:
    """What a report and an Outbox need of a client."""

    state = "reconnecting"

    def __init__(self):
        self.stats = STATS
        self.outboxes = []

    def subscribe(self, name, callback):
        pass

    def emit(self, name, **fields):
        pass


def details(reason=None, client=None):
    STATS.last_reason = reason
    return report.details(SETTINGS, LINK, client or Client())


def test_what_is_in_it():
    found = details()
    assert found["generation"] == 3
    assert found["link"] == {"state": "up", "joins": 2, "address": "192.168.4.2"}
    assert found["hub"]["recoveries"] == 2
    assert found["hub"]["bytes_received"] == 6
    assert found["hub"]["last_reason"] is None
    assert found["versions"]["python"].split(" ")[0] in ("micropython", "cpython")
    assert "outbox" not in found


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
    said = details(MemoryError())["hub"]["last_reason"]
    assert said.startswith("out of memory: MemoryError; Python has used "), said


def test_counters_of_the_outboxes():
    client = Client()

    async def send():
        full, other = Outbox(client, messages=2), Outbox(client)
        for number in range(3):
            await full.send_to_group("g", number, policy="drop-oldest", wait=False)
        await other.send_event("e", 1, wait=False)

    asyncio.run(send())
    found = details(client=client)["outbox"]
    assert found == {"waiting": 3, "delivered": 0, "dropped": {"full": 1}}, found


def test_the_cause_of_the_start():
    names = ("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT")
    causes = {name + "_RESET": number for number, name in enumerate(names, 1)}
    words = []
    for number in range(1, 7):
        fakes.install("machine", reset_cause=lambda number=number: number, **causes)
        words.append(report.reset_cause())
    assert words == ["power_on", "hard", "watchdog", "deepsleep", "soft", "6"]
    shortage.was_cause = True
    try:
        assert report.reset_cause() == "memory"
    finally:
        shortage.was_cause = False
    fakes.install("machine")
    assert report.reset_cause() is None


def log_level(**arguments):
    return orders.perform(None, {"command": "log_level", "arguments": arguments}, "group", {})


def test_levels():
    lines = []
    saved = console.say
    console.say = lambda tag, text: lines.append(text)
    try:
        console.debug("a", "not shown")
        assert log_level(level="debug") == "debug"
        console.debug("a", "shown")
        assert log_level() == "debug"
        assert details()["log_level"] == "debug"
        for name in ("loud", None, 7, ["info"]):
            with raises(CommandError):
                log_level(level=name)
    finally:
        log_level(level="info")
        console.say = saved
    assert lines == ["shown"]


def test_tokens_are_hidden():
    for text, shown in (
        ("nothing here", "nothing here"),
        ("eyJ0.eyJl.x-_y", "(hidden)"),
        ("a eyJ0.eyJl.x, and eyJ1.b.c!", "a (hidden), and (hidden)!"),
        ("eyJ", "(hidden)"),
    ):
        assert hiding.hide(text) == shown


def test_no_token_gets_onto_the_console():
    lines = []
    console.print = lines.append
    try:
        console.say("hub", "the server said eyJ0.eyJl.c2ln")
        console.say_new("hub", "again eyJ0.eyJl.c2ln")
        log_level(level="quiet")
        console.say("hub", "not shown")
    finally:
        log_level(level="info")
        del console.print
    assert lines == ["[hub] the server said (hidden)", "[hub] again (hidden)"]


def test_versions():
    assert sorted(report.versions()) == ["machine", "python", "webpubsub"]
