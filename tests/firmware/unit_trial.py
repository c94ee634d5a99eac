import asyncio
import os
import sys

import fakes
import flash
import power_cuts
import records
from firmware import console, resuming, runtime

# The ones that it has: on MicroPython whoever loads them with `once` has others.
slots, verdict = resuming.slots, resuming.verdict
PARENT = sys.argv[2]


def prepare(folder):
    content = records.settings(4)
    records.write(folder, records.files("a", content, records.secrets(4, token="old.t.x")))
    return records.load(folder)


def announce(folder, seconds=60):
    """What the command does."""
    candidate = slots.propose(records.load(folder), token="new.t.x")
    verdict.announce(candidate, "set_token", "group", "7", seconds)


def fresh():
    folder = records.fresh_folder(PARENT)
    prepare(folder)
    announce(folder)
    return folder


def start(folder):
    """What a start finds: (the settings it runs with, the trial)."""
    found = records.load(folder)
    if verdict.FILE not in os.listdir(folder):
        return found, None
    attempt = resuming.take(found)
    return (found, None) if attempt is None else (attempt.settings, attempt)


class HubConnection:
    """A hub that the board reaches after `after` seconds, or is refused by."""

    def __init__(self, time, after=None, refusals=0, reason=None):
        self.ready = False
        self.client = "client"
        self.refusals = refusals
        self.reason = reason
        self._time = time
        self._after = after

    async def sleep(self, seconds):
        await self._time.sleep(seconds)
        if self._after is not None and self._time.ms > self._after * 1000:
            self.ready = True


class Commands:
    def __init__(self, failures=0):
        self.failures = failures
        self.sent = []
        self.resets = 0

    async def reset(self):
        self.resets += 1

    def answer_to(self, id_, ok):
        return {"device": "CP-7", "reply": id_, "ok": ok}

    async def send(self, kind, answer):
        if self.failures:
            self.failures -= 1
            return False
        self.sent.append((kind, answer))
        return True


class Bench:
    def __init__(self, attempt, commands=None, **hub):
        self.console = fakes.Console(console)
        self.time = fakes.VirtualTime()
        self.hub = HubConnection(self.time, **hub)
        runtime.sleep = self.hub.sleep
        self.commands = commands or Commands()
        if not attempt.is_open:
            self.hub.ready = True
        asyncio.run(attempt.run(self.hub, self.commands))

    @property
    def resets(self):
        return self.commands.resets


def test_a_candidate_that_connects_is_kept_and_the_asker_is_told():
    folder = fresh()
    found, attempt = start(folder)
    assert (found.generation, found.token) == (5, "new.t.x")
    assert attempt.is_open
    bench = Bench(attempt, after=20)
    assert bench.resets == 0
    assert bench.commands.sent == [
        (
            "group",
            {
                "device": "CP-7",
                "reply": "7",
                "ok": True,
                "result": {"kept": "set_token", "generation": 5},
            },
        )
    ]
    found, attempt = start(folder)
    assert (found.slot, found.token, attempt) == ("b", "new.t.x", None)


def test_a_candidate_that_does_not_connect_in_time_is_rolled_back():
    folder = fresh()
    _, attempt = start(folder)
    bench = Bench(attempt, reason="cannot resolve x")
    assert bench.resets == 1
    assert bench.commands.sent == []
    assert 60000 < bench.time.ms < 65000
    found, attempt = start(folder)
    assert (found.generation, found.token) == (4, "old.t.x")
    assert not attempt.is_open
    bench = Bench(attempt, after=1)
    answer = bench.commands.sent[0][1]
    assert (answer["reply"], answer["ok"]) == ("7", False)
    assert "set_token was rolled back: not on the hub within 60 s" in answer["error"]
    assert "cannot resolve x" in answer["error"]
    assert start(folder)[1] is None


def test_a_service_that_says_no_is_not_asked_until_the_deadline():
    folder = fresh()
    _, attempt = start(folder)
    bench = Bench(attempt, refusals=3, reason="HTTP 401: no")
    assert bench.resets == 1
    assert bench.time.ms < 5000
    assert "rolled back (HTTP 401: no)" in bench.console


def test_a_reset_in_the_middle_rolls_back():
    folder = fresh()
    start(folder)  # it runs, and then the watchdog bites, or somebody pulls the plug
    found, attempt = start(folder)
    assert (found.generation, found.token) == (4, "old.t.x")
    bench = Bench(attempt, after=1)
    assert "the board was reset while it tried" in bench.commands.sent[0][1]["error"]
    assert records.load(folder).notice is None


def test_a_power_cut_between_the_last_step_and_its_note():
    folder = fresh()
    found, _ = start(folder)
    slots.accept(found)
    found, attempt = start(folder)
    assert found.token == "new.t.x"
    assert Bench(attempt, after=1).commands.sent[0][1]["ok"] is True


def test_the_outcome_is_told_again_until_it_gets_through():
    folder = fresh()
    _, attempt = start(folder)
    bench = Bench(attempt, Commands(failures=3), after=1)
    assert len(bench.commands.sent) == 1
    assert start(folder)[1] is None


def test_an_outcome_that_never_gets_through_is_given_up():
    folder = fresh()
    _, attempt = start(folder)
    assert Bench(attempt, Commands(failures=99), after=1).commands.sent == []
    assert start(folder)[1] is None
    assert records.load(folder).token == "new.t.x"


def test_a_reset_before_the_asker_was_told():
    folder = fresh()
    _, attempt = start(folder)
    verdict.keep(attempt)
    found, attempt = start(folder)
    assert found.token == "new.t.x"
    assert Bench(attempt, after=1).commands.sent[0][1]["result"]["kept"] == "set_token"


def test_damage_of_the_candidate_rolls_back():
    for name in ("secrets.b", "ca.b", "candidate"):
        folder = fresh()
        records.write(folder, {name: b"damage"})
        found, attempt = start(folder)
        assert found.token == "old.t.x"
        assert not attempt.is_open
        answer = Bench(attempt, after=1).commands.sent[0][1]
        assert "damaged" in answer["error"]


def test_damage_of_the_note_means_the_settings_in_use():
    folder = fresh()
    records.write(folder, {verdict.FILE: b"damage"})
    found, attempt = start(folder)
    assert (found.token, attempt) == ("old.t.x", None)
    assert sorted(os.listdir(folder)) == ["ca.a", "ca.b", "secrets.a", "secrets.b", "settings.a"]


def test_settings_written_over_a_cable_in_between_win():
    folder = fresh()
    content = records.settings(5, device={"id": "cable"})
    records.write(folder, records.files("b", content, records.secrets(5)))
    found, attempt = start(folder)
    assert found.device_id == "cable"
    assert not attempt.is_open


def test_no_token_gets_into_the_note():
    folder = fresh()
    _, attempt = start(folder)
    verdict.fail(attempt, "the server said eyJhbGciOi.eyJleHAi.c2ln and closed")
    with open(folder + "/" + verdict.FILE) as file:
        text = file.read()
    assert "eyJ" not in text
    assert "(hidden) and closed" in text
    assert "new.t.x" not in text


def test_power_cut_at_every_write_of_command_start_and_decision():
    if not flash.supported():
        print("not on CPython, which has no littlefs: the same test runs on MicroPython")
        return
    fakes.Console(console)
    seen = []

    def works(folder):
        announce(folder)
        _, attempt = start(folder)
        verdict.keep(attempt)

    def refused(folder):
        announce(folder)
        _, attempt = start(folder)
        verdict.fail(attempt, "HTTP 401")

    def check(folder, cut):
        # Starts follow one another until one of them has nothing left to decide. None of them
        # reaches the hub with the candidate: it must never stay by itself.
        for _ in range(3):
            before = records.load(folder)
            found, attempt = start(folder)
            assert found.generation in (4, 5)
            assert found.token == ("old.t.x" if found.generation == 4 else "new.t.x")
            if attempt is None or not attempt.is_open:
                break
            assert before.generation == 4
        else:
            raise AssertionError("still on trial")
        now = records.load(folder)
        assert now.notice is None
        assert now.generation == found.generation
        if attempt is not None:
            # What will be reported is what happened.
            reported = verdict.answer(attempt, Commands())["ok"]
            assert reported is (now.generation == 5), (cut, reported, now.generation)
        seen.append(now.generation)

    for work in (works, refused):
        del seen[:]
        writes = power_cuts.cut_everywhere(prepare, work, check)
        assert writes > 15, writes
        print(work.__name__, writes, "writes;", len(seen), "cuts;", seen.count(5), "new")
        assert (5 in seen) is (work is works)
        assert 4 in seen
