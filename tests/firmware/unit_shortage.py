"""What the firmware does when memory is short: a report, no progress, and in the end a reset."""

import asyncio
import errno
import os
import sys

import fakes
import records
from firmware import console, hub, shortage, wiring
from webpubsub import errors, memory

PARENT = sys.argv[2]
SHORT = MemoryError("memory allocation failed, allocating 2048 bytes")


class Ballast:
    released = 0

    def release(self):
        self.released += 1


class Bench:
    """Shortage in virtual time, with an IDF heap of one region (None: a port without one)."""

    def __init__(self, idf=None, tls=True, resets=0):
        self.console = fakes.Console(console, shortage, hub)
        console.said.clear()
        self.time = fakes.VirtualTime()
        self.ballast = Ballast()
        shortage.ballast = (self.ballast, b"pin")
        shortage.uses_tls = tls
        shortage.resets = resets
        shortage.was_cause = False
        shortage.over()
        self.idf(*(idf or ()))

    def idf(self, free=0, largest=0):
        regions = [(free + 1000, free, largest, 0)] if free else []
        memory.idf_heap_info = lambda kind: regions

    def met(self, *reasons, seconds=30):
        found = []
        for reason in reasons:
            found.append(shortage.met(reason))
            self.time.ms += seconds * 1000
        return found


def test_what_is_want_of_memory():
    for error, wanted in (
        (MemoryError(), True),
        (OSError(12, "ENOMEM"), True),
        (OSError(-203, "EAI_MEMORY"), True),
        (OSError(errno.ETIMEDOUT, "no answer"), False),
        (OSError("nobody listens there"), False),
        (ValueError("12"), False),
        ("out of memory", False),
        (None, False),
    ):
        assert shortage.is_shortage(error) is wanted, error
    assert shortage.is_shortage(errors.OutOfMemory("no memory for the TLS handshake"))


def test_it_is_told_with_figures_and_without_tokens():
    Bench((20480, 9000))
    text = shortage.in_words(OSError(12, "for eyJhbGciOi.eyJleHAi.c2ln"))
    assert text.startswith("out of memory: "), text
    assert "Python has used " in text
    assert text.endswith("the network has 20480 left, 9000 in one piece"), text
    assert "eyJ" not in text
    assert shortage.in_words(KeyError()) == "KeyError"
    assert shortage.in_words(OSError("gone")) == "gone"


def test_the_ballast_goes_once_and_only_after_some_failures():
    bench = Bench()
    assert bench.met(SHORT, SHORT) == [True, True]
    assert bench.ballast.released == 0
    bench.met(*[SHORT] * 5)
    assert bench.ballast.released == 1
    assert bench.console.count("letting the ballast go") == 1
    assert bench.console.count("[memory] short: Python has used ") == 3


def test_a_board_that_has_got_no_ballast_goes_on_without():
    for shape in (None, (None, None), (None, b"pin")):
        bench = Bench()
        shortage.ballast = shape
        assert bench.met(*[SHORT] * 5) == [True] * 5
        assert bench.console.count("letting the ballast go") == 0


def test_other_failures_are_not_counted():
    bench = Bench((60000, 50000))
    assert bench.met(SHORT, SHORT, "closed by the service", SHORT, SHORT) == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert bench.ballast.released == 0


def test_a_network_without_room_is_want_of_memory_whatever_it_says():
    silence = OSError(errno.ETIMEDOUT, "no answer")
    bench = Bench((40000, 16000))
    assert bench.met(silence) == [True]  # no handshake comes through with so little
    bench.idf(30000, 20000)
    assert bench.met(silence) == [True]
    bench.idf(40000, 20000)
    assert bench.met(silence) == [False]
    plain = Bench((6000, 4000), tls=False)
    assert plain.met(silence) == [False]
    plain.idf(6000, 1700)
    assert plain.met("silence") == [True]


def test_a_board_is_reset_only_for_what_lasts():
    bench = Bench()
    bench.met(*[SHORT] * 5)
    assert shortage.seconds_left(1000) is None
    bench.met(SHORT)
    assert shortage.seconds_left(1000) == 0
    shortage.over()
    assert shortage.seconds_left(1000) is None
    # Six in a moment are one shortage.
    bench = Bench()
    bench.met(*[SHORT] * 6, seconds=1)
    assert shortage.seconds_left(1000) is None
    bench.time.ms += 120000
    assert shortage.seconds_left(1000) == 0


def test_the_pauses_between_resets_grow():
    for resets, pause in ((0, 180), (1, 360), (3, 1440), (6, 11520), (7, 21600), (99, 21600)):
        bench = Bench(resets=resets)
        bench.met(*[SHORT] * 6)
        assert shortage.seconds_left(100) == pause - 100, resets
        assert shortage.seconds_left(pause) == 0


def test_how_often_is_kept_over_resets_until_a_board_is_well():
    folder = records.fresh_folder(PARENT)
    Bench()
    wiring.recall(folder)
    assert (shortage.resets, shortage.was_cause) == (0, False)
    for count in (1, 2, 3):
        shortage.remember(folder)
        Bench()
        wiring.recall(folder)
        assert (shortage.resets, shortage.was_cause) == (count, True)
    # A start for another reason, such as a power cut: no pause is forgotten by it.
    Bench()
    wiring.recall(folder)
    assert (shortage.resets, shortage.was_cause) == (3, False)
    shortage.forget(folder)
    assert os.listdir(folder) == []
    wiring.recall(folder)
    assert shortage.resets == 0


def test_a_note_that_cannot_be_read_or_written_is_no_obstacle():
    folder = records.fresh_folder(PARENT)
    for content in (b"", b"x", b"+", b"\xff\xfe"):
        records.write(folder, {"shortage": content})
        Bench()
        wiring.recall(folder)
        assert (shortage.resets, shortage.was_cause) == (0, False), content
    shortage.remember(folder + "/nowhere")
    shortage.resets = 1
    shortage.forget(folder + "/nowhere")


class Client:
    def subscribe(self, name, callback):
        pass


def test_attempts_without_memory_are_no_progress():
    bench = Bench()
    steps = []
    settings = fakes.Module(credential="anonymous", command_groups=[])
    link = fakes.Module(is_up=lambda: True)

    def progress(duty, ahead=0):
        steps.append(ahead)

    keeper = hub.HubConnection(Client(), settings, link, None, progress)

    def failed(reason):
        keeper.on_event(fakes.Module(name="reconnecting", reason=reason, delay=2, attempt=1))

    failed(OSError("nobody listens there"))
    assert steps == [2]
    # mbedTLS says so of a certificate that is right.
    bench.idf(30000, 20000)
    failed(OSError("TLS: the certificate is not correctly signed by the trusted CA"))
    bench.idf()
    assert (steps, keeper.refusals) == ([2], 0)
    shortage.over()
    for _ in range(3):
        failed(SHORT)
    assert steps == [2]
    assert "[hub] memory allocation failed" in bench.console
    assert bench.ballast.released == 1
    event = fakes.Module(name="connected", user_id=None, connection_id="abc")
    asyncio.run(keeper.on_event(event))
    assert steps == [2, 0]
    bench.met(*[SHORT] * 5)
    assert shortage.seconds_left(1000) is None
