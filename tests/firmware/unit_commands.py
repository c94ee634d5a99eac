import asyncio

import endless
import fakes
from firmware import commands, console, runtime, shortage
from webpubsub import AckError
from webpubsub.errors import OutOfMemory

SETTINGS = fakes.Module(
    device_id="CP-7",
    device_kind="charging-point",
    generation=3,
    led=None,
    command_users=["ops", "boss"],
    folder="/nowhere",
    reply_group="replies",
)


class Client:
    """Takes answers; `fails` is how many of them it refuses."""

    def __init__(self, fails=0):
        self.sent = []
        self.fails = fails
        self.closed = 0

    async def send_event(self, event, content):
        self.take("event " + event, content)

    async def send_to_group(self, group, content):
        self.take("group " + group, content)

    def take(self, where, content):
        if self.fails:
            self.fails -= 1
            raise OSError("not connected")
        self.sent.append((where, content))

    async def flush(self):
        self.flushed = len(self.sent)

    async def close(self):
        self.closed += 1


def message(data, user="ops", kind="group"):
    return fakes.Module(kind=kind, group="commands", data=data, from_user_id=user)


def report():
    return {"sequence": 1}


class Bench:
    def __init__(self, client=None, **more):
        self.console = fakes.Console(console, commands, shortage)
        console.said.clear()
        self.tracebacks = []
        commands.print_exception = self.tracebacks.append
        self.client = client or Client()
        self.resets = []
        self.commands = commands.Commands(SETTINGS, self.client, report, None)
        runtime.reset = self.reset
        self.commands.more = more

    def reset(self):
        self.resets.append(len(self.client.sent))

    def give(self, *messages, settle=20):
        """Hand over messages and let the worker do its work; returns what was sent."""

        async def work():
            for each in messages:
                self.commands.accept(each)
            await endless.turns(settle)

        asyncio.run(work())
        return self.client.sent

    def answer(self, data, **options):
        """The answer to one command in a group."""
        sent = self.give(message(data), **options)
        assert len(sent) == 1, sent
        return sent[0][1]


def test_ping_in_a_group():
    sent = Bench().give(message({"command": "ping", "id": "1"}))
    assert sent == [
        ("group replies", {"device": "CP-7", "reply": "1", "ok": True, "result": "pong"})
    ]


def test_ping_from_the_server_is_answered_as_an_event():
    sent = Bench().give(message({"command": "ping", "id": "1"}, None, "server"))
    assert [where for where, _ in sent] == ["event reply"]


def test_whom_it_obeys():
    for user, obeyed in (("ops", 1), ("boss", 1), ("eve", 0), (None, 0), ("", 0), ("op", 0)):
        bench = Bench()
        assert len(bench.give(message({"command": "ping"}, user))) == obeyed, user
        assert ("ignored" in bench.console) is not bool(obeyed)


def test_a_sender_without_a_name_is_told_apart():
    bench = Bench()
    bench.give(message({"command": "ping"}, None), message({"command": "ping"}, "eve"))
    assert "anonymous, or by protobuf, which does not name senders" in bench.console.lines[0]
    assert bench.console.lines[1] == "[command] ignored ping from eve: not in commands.users"


def test_the_server_may_send_its_json_as_text():
    text = '{"command": "ping", "id": "1"}'
    assert Bench().give(message(text, None, "server"))[0][1]["result"] == "pong"
    for wrong in ("ping", "{", '{"command"', "[" * 9999, "{" * 9999, '{"other": 1}', ""):
        assert Bench().give(message(wrong, None, "server")) == []
    # In a group a text is a text, whoever sent it: it is for the app.
    assert Bench().give(message(text, "ops")) == []


def test_an_empty_list_of_users_obeys_nobody():
    for user in (None, "", "ops"):
        bench = Bench()
        bench.commands.settings = fakes.Module(device_id="CP-7", command_users=[])
        assert bench.give(message({"command": "reset"}, user)) == []
        assert bench.resets == []


def test_for_whom_it_is():
    for device, obeyed in ((None, 1), ("CP-7", 1), ("CP-8", 0), (7, 0)):
        assert len(Bench().give(message({"command": "ping", "device": device}))) == obeyed


def test_messages_that_are_no_commands():
    for data in (None, 1, "ping", [], {}, {"reply": "1"}, b"\x00"):
        bench = Bench()
        assert bench.give(message(data)) == []
        assert bench.console.lines == []


def test_bad_commands_get_an_error_text():
    for data, words in (
        ({"command": "dance"}, "unknown command: use one of identify, log_level, ping"),
        ({"command": 7}, "must be a string"),
        ({"command": None}, "must be a string"),
        ({"command": ["x"]}, "must be a string"),
        ({"command": "ping", "arguments": [1]}, "must be an object"),
    ):
        answer = Bench().answer(dict(data, id="9"))
        assert answer["ok"] is False
        assert answer["reply"] == "9"
        assert words in answer["error"], answer


def test_more_commands_plain_and_async():
    async def start(arguments):
        await asyncio.sleep(0)
        return {"limit": arguments["limit"]}

    bench = Bench(start=start, stop=lambda arguments: arguments)
    answer = bench.answer({"command": "start", "arguments": {"limit": 16}})
    assert answer["result"] == {"limit": 16}
    bench = Bench(start=start, stop=lambda arguments: arguments)
    assert bench.answer({"command": "stop"})["result"] == {}


def test_a_command_that_fails():
    def refuse(arguments):
        raise commands.CommandError("no cable")

    def broken(arguments):
        return arguments["missing"]

    bench = Bench(refuse=refuse, broken=broken)
    sent = bench.give(message({"command": "refuse"}), message({"command": "broken"}))
    assert sent[0][1]["error"] == "no cable"
    assert sent[1][1]["ok"] is False
    assert len(bench.tracebacks) == 1
    assert isinstance(bench.tracebacks[0], KeyError)


def test_a_cancellation_that_a_command_lets_out_is_an_error_as_any_other():
    async def for_ever():
        await asyncio.Event().wait()

    async def awaits_what_it_has_cancelled(arguments=None):
        task = asyncio.create_task(for_ever())
        await asyncio.sleep(0)
        task.cancel()
        await task

    async def awaits_it_within_a_time(arguments):
        await asyncio.wait_for(awaits_what_it_has_cancelled(), 5)

    async def lets_one_out(arguments):
        raise asyncio.CancelledError

    def plain(arguments):
        raise asyncio.CancelledError

    for oops in (awaits_what_it_has_cancelled, awaits_it_within_a_time, lets_one_out, plain):
        bench = Bench(oops=oops)
        oops, ping = {"command": "oops", "id": "1"}, {"command": "ping", "id": "2"}
        sent = bench.give(message(oops), message(ping), settle=60)
        assert [(each["reply"], each["ok"]) for _, each in sent] == [("1", False), ("2", True)]
        assert sent[0][1]["error"] == "CancelledError"
        assert len(bench.tracebacks) == 1


def test_a_command_that_swallows_its_cancellation_holds_up_no_other():
    cancelled = []

    async def stubborn(arguments):
        while len(cancelled) < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(1)

    real = asyncio.wait_for

    def soon(awaitable, seconds):
        return real(awaitable, 0.01)

    bench = Bench(stubborn=stubborn)

    async def work():
        for number, name in enumerate(("stubborn", "ping")):
            bench.commands.accept(message({"command": name, "id": str(number)}))
        for _ in range(100):
            if len(bench.client.sent) == 2:
                break
            await asyncio.sleep(0.01)
        # It would go on for 60 s.
        bench.commands.stalled.cancel()
        await asyncio.sleep(0)
        bench.commands.stalled.cancel()
        await asyncio.sleep(0)

    asyncio.wait_for = soon
    try:
        asyncio.run(work())
    finally:
        asyncio.wait_for = real
    sent = [answer for _, answer in bench.client.sent]
    assert [(each["reply"], each["ok"]) for each in sent] == [("0", False), ("1", True)]
    assert "not done within 60 s" in sent[0]["error"], sent
    assert len(cancelled) == 3


def test_a_command_that_never_ends():
    async def hang(arguments):
        await asyncio.sleep(1000)

    bench = Bench(hang=hang)

    async def at_once(task, seconds):
        assert seconds >= 5, seconds
        task.close()
        raise asyncio.TimeoutError()

    saved = asyncio.wait_for
    asyncio.wait_for = at_once
    try:
        answer = asyncio.run(bench.commands.answer({"command": "hang"}, "group"))
    finally:
        asyncio.wait_for = saved
    assert "not done within" in answer["error"], answer


def test_built_in_commands_cannot_be_replaced():
    bench = Bench(ping=lambda arguments: "hijacked")
    assert bench.answer({"command": "ping"})["result"] == "pong"


def test_report_and_identify():
    assert Bench().answer({"command": "report"})["result"] == {"sequence": 1}
    result = Bench().answer({"command": "identify"})["result"]
    assert result["generation"] == 3
    assert result["python"].split(" ")[0] in ("micropython", "cpython")


def test_reset_comes_after_its_answer():
    bench = Bench()
    bench.give(message({"command": "reset", "id": "r"}), settle=60)
    assert bench.client.sent[0][1]["ok"] is True
    assert bench.resets[0] == 1
    assert bench.client.closed


def test_an_answer_that_cannot_be_sent_is_not_the_end():
    bench = Bench(Client(fails=1))
    sent = bench.give(message({"command": "ping", "id": "1"}), message({"command": "ping"}))
    assert len(sent) == 1
    assert "not sent (not connected)" in bench.console


def test_a_result_that_cannot_be_sent_is_answered_with_an_error():
    class Strict(Client):
        def take(self, where, content):
            if "result" in content and content["result"] != "pong":
                raise content["result"]
            Client.take(self, where, content)

    for kind, where in (("group", "group replies"), ("server", "event reply")):
        for error, words in (
            (TypeError("result: bytes is not JSON"), "sent: result: bytes is not JSON"),
            (ValueError("nan"), "sent: nan"),
            (RuntimeError("nested too deeply"), "sent: nested too deeply"),
            (MemoryError("allocating 9000 bytes"), "sent: out of memory: allocating 9000"),
            (OutOfMemory("no memory"), "sent: out of memory: no memory"),
        ):
            bench = Bench(Strict(), read=lambda arguments, error=error: error)
            commands = [{"command": "read", "id": "7"}, {"command": "ping", "id": "8"}]
            sent = bench.give(*[message(each, "ops", kind) for each in commands])
            assert [each for each, _ in sent] == [where, where]
            answer = sent[0][1]
            assert (answer["reply"], answer["ok"], "result" in answer) == ("7", False, False)
            assert words in answer["error"], answer
            assert sent[1][1]["result"] == "pong"


def test_an_answer_that_was_on_its_way_is_not_taken_back():
    for error in (OSError("gone"), AckError("Forbidden", "no"), asyncio.TimeoutError()):
        client = Client()
        client.tried = []

        def take(where, content, client=client, error=error):
            client.tried.append(content)
            raise error

        client.take = take
        Bench(client).give(message({"command": "ping", "id": "7"}))
        assert [each["ok"] for each in client.tried] == [True], error


def test_not_even_the_error_can_be_sent():
    def take(where, content):
        raise ValueError("reply: a surrogate")

    client = Client()
    client.take = take
    bench = Bench(client)
    bench.give(message({"command": "ping", "id": "7"}))
    assert bench.console.count("the answer was not sent (reply: a surrogate)") == 2
    client.take = lambda where, content: client.sent.append((where, content))
    assert bench.answer({"command": "ping", "id": "8"})["ok"] is True


def test_want_of_memory_is_answered_in_words():
    def hungry(arguments):
        raise MemoryError("memory allocation failed, allocating 9000 bytes")

    bench = Bench(hungry=hungry)
    answer = bench.answer({"command": "hungry", "id": "1"})
    assert answer["ok"] is False
    words = "out of memory: memory allocation failed, allocating 9000 bytes; Python has used "
    assert answer["error"].startswith(words), answer
    assert bench.tracebacks == []


def test_a_reset_goes_on_without_memory():
    async def no_memory():
        raise MemoryError()

    bench = Bench()
    bench.client.flush = no_memory
    asyncio.run(bench.commands.reset())
    assert bench.client.closed == 1
    assert bench.resets == [0]
    assert "not closed in good order (out of memory: MemoryError" in bench.console


def test_a_flood_is_bounded():
    bench = Bench()
    flood = [message({"command": "ping", "id": str(number)}) for number in range(100)]
    assert len(bench.give(*flood, settle=200)) == 8
    assert "too many" in bench.console


def test_without_a_reply_group_there_is_no_answer():
    bench = Bench()
    bench.commands.settings = fakes.Module(device_id="CP-7", command_users=["ops"], reply_group="")
    assert bench.give(message({"command": "ping"})) == []
    assert "[command] ping: ok" in bench.console


def test_names_from_outside_stay_on_their_line():
    bench = Bench()
    bench.give(message({"command": "x\n[hub] connected\x1b[2J" + "y" * 99}, "eve"))
    assert len(bench.console.lines) == 1
    assert "\n" not in bench.console.lines[0]
    assert "\x1b" not in bench.console.lines[0]
    assert len(bench.console.lines[0]) < 100
