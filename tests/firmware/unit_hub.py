import asyncio
import sys

import endless
import fakes
import records
from checks import raises
from firmware import console, hub, settings, shortage, wiring
from webpubsub import AckError, Stopped, WebPubSubClient

PARENT = sys.argv[2]


def loaded(ca=b"", token="", **tables):
    folder = records.fresh_folder(PARENT)
    content = records.settings(1, ca, **tables)
    records.write(folder, records.files("a", content, records.secrets(1, token=token), ca))
    return records.load(folder)


def hub_table(**values):
    return dict(records.settings()["hub"], **values)


class NetworkLink:
    def __init__(self, up=True):
        self.up = up
        self.waited = 0

    def is_up(self):
        return self.up

    async def wait_up(self):
        self.waited += 1
        self.up = True


class Client:
    """Follows a script: each run() ends as its next entry says."""

    def __init__(self, *endings):
        self.ended = None
        self.callbacks = {}
        self.endings = list(endings)
        self.runs = 0
        self.joined = []
        self.join_error = None
        self.join_errors = []  # of the next attempts; None where one succeeds

    def subscribe(self, name, callback):
        self.callbacks[name] = callback

    async def run(self):
        self.runs += 1
        if self.endings:
            raise self.endings.pop(0)
        await (self.ended or asyncio.Event()).wait()

    async def join_group(self, group):
        await asyncio.sleep(0)
        error = self.join_errors.pop(0) if self.join_errors else self.join_error
        if error:
            raise error
        self.joined.append(group)

    async def emit(self, name, **fields):
        result = self.callbacks[name](fakes.Module(name=name, **fields))
        if hasattr(result, "send"):
            await result


class Refused(OSError):
    status = 401


class Forbidden(Exception):
    name = "Forbidden"


class Bench:
    def __init__(self, *endings, link=None, found=None):
        self.console = fakes.Console(console, hub, shortage)
        self.time = fakes.VirtualTime()
        self.client = Client(*endings)
        self.link = link or NetworkLink()
        self.accepted = []
        self.steps = 0
        self.hub = hub.HubConnection(
            self.client, found or loaded(), self.link, self.accepted.append, self.step
        )
        wiring.subscribe(self.hub)

    def step(self, duty, ahead=0):
        assert duty == "hub"
        self.steps += 1
        self.ahead = ahead

    def run(self, turns=50):
        endless.run_turns(self.hub.run(), turns)

    def emit(self, name, turns=100, **fields):
        """Call the callback; what it waits for comes in so many turns of the loop, or not."""

        async def work():
            task = asyncio.create_task(self.client.emit(name, **fields))
            while turns and not task.done():
                turns.pop()
                await asyncio.sleep(0)
            if task.done():
                await task
            task.cancel()

        turns = list(range(turns))
        asyncio.run(work())


def test_a_client_from_settings():
    assert isinstance(wiring.make_client(loaded(), NetworkLink()), WebPubSubClient)
    jwt = loaded(token="a.b.c", hub=hub_table(credential="token"))
    assert isinstance(wiring.make_client(jwt, NetworkLink()), WebPubSubClient)


def test_settings_that_cannot_work():
    for found, words in (
        (loaded(hub=hub_table(endpoint="https://example.com")), "tls.ca"),
        (loaded(b"no certificate", hub=hub_table(endpoint="https://example.com")), "tls.ca"),
        (loaded(hub=hub_table(name="1 hub")), "hub name"),
        (loaded(hub=hub_table(endpoint="ws://a/b")), "endpoint"),
        (
            loaded(token="a.b.c", hub=hub_table(credential="token", endpoint="ws://example.com")),
            "can be read by others",
        ),
    ):
        with raises(settings.SettingsError) as caught:
            wiring.make_client(found, NetworkLink())
        assert words in caught.text, caught.text
        assert "run hubtool configure" in caught.text
        assert "a.b.c" not in caught.text


def test_no_attempt_while_the_link_is_down():
    link = NetworkLink(up=False)
    client = wiring.make_client(loaded(hub=hub_table(endpoint="ws://127.0.0.1:9")), link)

    async def work():
        with raises(OSError):
            await client.open(5)

    asyncio.run(work())
    assert link.waited == 1


def test_a_client_that_gives_up_is_started_again_ever_more_slowly():
    bench = Bench(*[Stopped(Refused("no"))] * 10)
    bench.run(200)
    assert bench.client.runs == 11
    assert bench.steps >= 10
    assert "again in 1 s" in bench.console
    assert "[hub] the same after 8 tries; again in 60 s" in bench.console
    assert bench.time.ms > 200000


def test_a_refusal_that_lasts_is_told_once_and_then_counted_ever_more_rarely():
    bench = Bench(*[Stopped(Refused("no"))] * 20)
    bench.run(400)
    reported = [line for line in bench.console.lines if "connecting" not in line]
    assert len(reported) == 5, reported
    assert reported[0].endswith("or give this board a token; again in 1 s"), reported
    assert [line.split(";")[0] for line in reported[1:]] == [
        f"[hub] the same after {count} tries" for count in (2, 4, 8, 16)
    ]
    assert bench.console.count("connecting to") == 1


def test_another_fault_and_a_connection_begin_a_new_count():
    bench = Bench()
    for reason in ("full", "full", "gone", "full"):
        bench.emit("reconnecting", attempt=1, delay=1, reason=reason)
    bench.emit("connected", connection_id="abc", user_id=None)
    bench.emit("reconnecting", attempt=1, delay=1, reason="full")
    texts = [line.split(";")[0] for line in bench.console.lines if "connected" not in line]
    assert (
        texts == ["[hub] full", "[hub] the same after 2 tries", "[hub] gone"] + ["[hub] full"] * 2
    )


def test_connecting_is_told_when_it_begins():
    class NoLink(NetworkLink):
        async def wait_up(self):
            await asyncio.Event().wait()

    bench = Bench(link=NoLink(up=False))
    bench.run()
    assert bench.console.lines == []
    assert bench.client.runs == 0


def test_attempts_are_told_with_the_side_to_fix():
    bench = Bench()
    bench.emit("reconnecting", attempt=1, delay=3.7, reason=Refused("no"))
    assert "[hub] HTTP 401: hub" in bench.console
    assert "again in 4 s" in bench.console
    bench.emit("reconnecting", attempt=1, delay=1, reason="closed by the service")
    assert "[hub] closed by the service; again in 1 s" in bench.console


def test_attempts_without_a_link_are_not_told():
    bench = Bench(link=NetworkLink(up=False))
    bench.emit("reconnecting", attempt=1, delay=0.2, reason="no connection in time")
    assert bench.console.lines == []
    assert bench.steps == 1
    assert bench.ahead == 0.2


def test_a_pause_that_the_service_asked_for_is_no_lack_of_progress():
    bench = Bench()
    bench.emit("reconnecting", attempt=1, delay=3600, reason="busy")
    assert bench.ahead == 3600


def test_refusals_are_counted_until_a_connection():
    bench = Bench()
    for _ in range(2):
        bench.emit("reconnecting", attempt=1, delay=1, reason=Refused("no"))
    bench.emit("reconnecting", attempt=1, delay=1, reason=OSError("nobody there"))
    assert bench.hub.refusals == 2
    assert bench.hub.reason == "nobody there"
    bench.emit("connected", connection_id="abc", user_id=None)
    assert bench.hub.refusals == 0


def test_what_no_retry_mends_is_a_refusal():
    for reason, counted in (
        (OSError("TLS with h failed: The certificate is not correctly signed"), 1),
        (OSError("MBEDTLS_ERR_X509_CERT_VERIFY_FAILED"), 1),
        (OSError("TLS with h failed: no answer in time"), 0),
        (Refused("no"), 1),
    ):
        bench = Bench()
        bench.emit("reconnecting", attempt=1, delay=1, reason=reason)
        assert bench.hub.refusals == counted, reason


def test_ready_is_connected_and_in_the_command_groups():
    bench = Bench(found=loaded(commands={"groups": ["commands"]}))
    bench.client.join_error = Forbidden("Forbidden: no")
    bench.emit("connected", connection_id="abc", user_id=None)
    assert not bench.hub.ready
    assert "webpubsub.joinLeaveGroup.commands" in bench.hub.reason
    bench.client.join_error = None
    bench.emit("connected", connection_id="abd", user_id=None)
    assert bench.hub.ready
    bench.emit("disconnected", code=1006, reason="silence")
    assert not bench.hub.ready


def test_connected():
    bench = Bench()
    bench.emit("connected", connection_id="abc", user_id="CP-7")
    assert "[hub] connected as CP-7 (abc)" in bench.console
    assert bench.hub.connected
    bench.emit("connected", connection_id="abd", user_id=None)
    assert "[hub] connected as anonymous (abd)" in bench.console


def test_command_groups_are_joined_in_each_session():
    found = loaded(commands={"groups": ["commands", "site-7"]})
    bench = Bench(found=found)
    for _ in range(2):
        bench.emit("connected", connection_id="abc", user_id=None)
    # The client joins again, too, but whether that came true is known by an answer only.
    assert bench.client.joined == ["commands", "site-7"] * 2


def test_a_join_that_failed_is_tried_again_ever_more_slowly():
    passing = AckError("InternalServerError", "try later")
    bench = Bench(found=loaded(commands={"groups": ["commands", "site-7"]}))
    bench.client.join_errors = [passing, None] + [passing] * 8
    since = bench.time.ms
    bench.emit("connected", connection_id="abc", user_id=None)
    # One that fails keeps no other one waiting.
    assert bench.client.joined == ["site-7", "commands"]
    assert bench.hub.ready
    assert bench.time.ms - since == 1000 * (1 + 2 + 4 + 8 + 16 + 32 + 3 * 60)
    assert 1 < bench.console.count('did not join "commands": InternalServerError: try later') < 8


def test_not_ready_while_a_group_is_missing():
    bench = Bench(found=loaded(commands={"groups": ["commands"]}))
    seen = []

    async def join_group(group):
        seen.append(bench.hub.ready)
        if len(seen) % 3:
            raise OSError("no answer")

    bench.client.join_group = join_group
    for _ in range(2):
        # Without a word of the end of the session before: another one is another one.
        bench.emit("connected", connection_id="abc", user_id=None)
        assert bench.hub.ready
    assert seen == [False] * 6


def test_a_session_that_ends_ends_its_joining():
    for how in ("disconnected", "stopped"):
        bench = Bench(found=loaded(commands={"groups": ["commands"]}))
        tried = []

        async def join_group(group, bench=bench, tried=tried, how=how):
            tried.append(group)
            if len(tried) == 2 and how == "stopped":
                bench.client.ended.set()
                await asyncio.sleep(0.01)
            elif len(tried) == 2:
                await bench.client.emit("disconnected", code=1006, reason="silence")
            raise OSError("gone")

        async def work(bench=bench):
            task = asyncio.create_task(bench.hub.run())
            await asyncio.sleep(0.01)
            await bench.client.emit("connected", connection_id="abc", user_id=None)
            await endless.stop(task)

        bench.client.join_group = join_group
        bench.client.ended = asyncio.Event()
        asyncio.run(work())
        assert len(tried) == 2, how
        assert not bench.hub.ready
        assert bench.console.count("did not join") == 1, bench.console.lines


def test_a_client_that_stopped_and_runs_again_is_not_deaf():
    bench = Bench(Stopped(OSError("odd")), found=loaded(commands={"groups": ["commands"]}))
    bench.emit("connected", connection_id="abc", user_id=None)
    assert bench.hub.ready
    bench.run()
    assert not bench.hub.ready
    bench.emit("connected", connection_id="abd", user_id=None)
    assert bench.hub.ready
    assert bench.client.joined == ["commands"] * 2


def test_a_session_makes_the_next_restart_a_quick_one():
    bench = Bench(*[Stopped(Refused("no"))] * 5)
    bench.run()
    bench.emit("connected", connection_id="abc", user_id=None)
    bench.client.endings = [Stopped(OSError("odd"))]
    bench.run()
    assert "[hub] odd; again in 1 s" in bench.console


def test_a_role_may_come_after_the_connection():
    bench = Bench(found=loaded(commands={"groups": ["commands"]}))
    bench.client.join_errors = [Forbidden("Forbidden: no")] * 3
    bench.emit("connected", connection_id="abc", user_id=None)
    assert bench.hub.ready


def test_a_group_that_may_not_be_joined():
    bench = Bench(found=loaded(commands={"groups": ["commands"]}))
    bench.client.join_error = Forbidden("Forbidden: no")
    bench.emit("connected", connection_id="abc", user_id=None)
    assert "give this device the role webpubsub.joinLeaveGroup.commands" in bench.console
    bench.client.join_error = None
    bench.emit("connected", connection_id="abc", user_id=None)
    assert bench.client.joined == ["commands"]
    assert bench.console.count("did not join") < 8
    bench.emit("rejoin-group-failed", group="commands", error=OSError("gone"))
    assert '[hub] did not join "commands": gone' in bench.console


def test_messages_go_to_the_commands():
    bench = Bench()
    first, second = fakes.Module(kind="group"), fakes.Module(kind="server")
    bench.emit("group-message", message=first)
    bench.emit("server-message", message=second)
    assert bench.accepted == [first, second]


def test_a_token_that_ends_soon_is_told_with_the_remedy():
    assert "token-expires" not in Bench().client.callbacks
    token = "aaaaaaaa.bbbbbbbb.cccccccc"
    bench = Bench(found=loaded(token=token, hub=hub_table(credential="token")))
    for expires, words in ((2051222400, "expires on 2035-01-01"), (1, "expired on 1970-01-01")):
        bench.emit("token-expires", expires=expires, left=0)
        assert "[hub] this board's token " + words in bench.console
    assert "make one with hubtool token" in bench.console
    assert token not in bench.console


def test_losses_are_told():
    bench = Bench()
    bench.emit("recovering", reason="silence")
    bench.emit("recovered")
    bench.emit("disconnected", code=1006, reason="silence")
    bench.emit("message-dropped", message="m")
    assert "[hub] lost the connection (silence): recovering" in bench.console
    assert "[hub] recovered, nothing was lost" in bench.console
    assert "[hub] disconnected (silence)" in bench.console
    assert "[hub] dropped a message" in bench.console
