import asyncio
import socket
import sys
import time

import fakes
from firmware import clock, console, runtime, sntp, timekeeping
from webpubsub import clock as wall

fakes.install("machine", RTC=fakes.Rtc)

NOW = wall.floor + 1000000


class Server:
    """A time server on loopback, in the same process: `answer(request)` makes each reply."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for self.port in range(42123, 42523):
            try:
                self.socket.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                break
            except OSError:
                pass
        self.socket.setblocking(False)
        self.host = f"127.0.0.1:{self.port}"

    async def run(self):
        while True:
            try:
                request, address = self.socket.recvfrom(100)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            self.asked += 1
            for reply in self.answer(request):
                self.socket.sendto(reply, address)


def reply(request, seconds=NOW, first=0x24, stratum=2, fraction=0x80000000):
    data = bytearray(48)
    data[0] = first
    data[1] = stratum
    data[24:32] = request[40:48]
    data[40:44] = ((seconds + 2208988800) & 0xFFFFFFFF).to_bytes(4, "big")
    data[44:48] = fraction.to_bytes(4, "big")
    return bytes(data)


def ask(*answers, timeout=0.3, rounds=1, before=()):
    """Synchronise with one server for each answer function; returns (said, servers)."""
    fakes.Rtc.set_to = None
    said = fakes.Console(console)
    console.said.clear()
    servers = [Server(answer) for answer in answers]

    async def work():
        tasks = [asyncio.create_task(server.run()) for server in servers]
        try:
            hosts = list(before) + [server.host for server in servers]
            return await timekeeping.synchronise(hosts, ready, timeout, rounds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)

    try:
        done = asyncio.run(work())
    finally:
        for server in servers:
            server.socket.close()
    assert done is (fakes.Rtc.set_to is not None)
    return said.lines[-1], servers


async def ready():
    pass


def refusal(*answers, **options):
    line, _ = ask(*answers, **options)
    assert fakes.Rtc.set_to is None
    start = "[clock] no time from the network ("
    assert line.startswith(start), line
    return line[len(start) :]


def test_sets_the_clock():
    said, servers = ask(lambda request: [reply(request)])
    assert said.startswith("[clock] 20"), said
    assert said.endswith("Z from " + servers[0].host), said
    expected = time.gmtime(NOW - wall.EPOCH)
    assert fakes.Rtc.set_to[:3] == tuple(expected[:3])
    assert fakes.Rtc.set_to[4:6] == tuple(expected[3:5])
    assert 500000 <= fakes.Rtc.set_to[7] < 1000000


def test_a_reply_to_somebody_else_is_not_taken():
    other = bytes(100)
    ask(lambda request: [reply(other, NOW + 5000), b"short", reply(request)])
    assert fakes.Rtc.set_to[4:6] == tuple(time.gmtime(NOW - wall.EPOCH)[3:5])


def test_silence_then_the_next_host():
    said, servers = ask(lambda request: [], lambda request: [reply(request)])
    assert said.endswith("from " + servers[1].host)
    assert servers[0].asked == 1


def test_rounds_repeat_the_list():
    answers = []

    def second_time(request):
        answers.append(1)
        return [reply(request)] if len(answers) > 1 else []

    _, servers = ask(second_time, rounds=3)
    assert servers[0].asked == 2


def test_kiss_of_death_is_not_asked_again():
    text = refusal(lambda request: [reply(request, stratum=0)], rounds=3)
    assert "kiss of death" in text
    requests = []

    def third_time(request):
        requests.append(1)
        return [reply(request)] if len(requests) == 3 else []

    _, servers = ask(lambda request: [reply(request, stratum=0)], third_time, rounds=3)
    assert servers[0].asked == 1
    assert servers[1].asked == 3


def test_times_that_cannot_be_right():
    assert "1970" in refusal(lambda request: [reply(request, 0)])
    assert "year 20" in refusal(lambda request: [reply(request, wall.floor - 1)])
    assert "year 20" in refusal(lambda request: [reply(request, wall.floor + 21 * 31622400)])


def test_servers_that_are_not_fit():
    assert "not set" in refusal(lambda request: [reply(request, first=0xE4)])
    assert "not set" in refusal(lambda request: [reply(request, stratum=16)])
    assert "not an answer" in refusal(lambda request: [reply(request, first=0x23)])


def test_nobody_answers():
    assert "no answer" in refusal(lambda request: [], timeout=0.05, rounds=2)
    assert "no time server" in refusal()


def test_each_host_is_told_with_its_reason():
    text = refusal(
        lambda request: [],
        lambda request: [reply(request, stratum=0)],
        timeout=0.05,
        rounds=2,
        before=["no.such.host.invalid:1"],
    )
    parts = text.partition("):")[0].split("; ")
    assert len(parts) == 3, text
    assert parts[0].startswith("no.such.host.invalid:1: no such name"), text
    assert parts[1].endswith(": no answer"), text
    assert parts[2].endswith(": turns us away (kiss of death)"), text


def test_want_of_memory_is_told_as_that():
    def no_memory(*arguments):
        raise OSError(-203, "")  # EAI_MEMORY of lwIP's getaddrinfo

    saved = socket.getaddrinfo
    names = fakes.Module(SOCK_DGRAM=socket.SOCK_DGRAM, socket=socket.socket)
    names.getaddrinfo = no_memory
    sys.modules["socket"] = sntp.socket = names
    try:
        text = refusal(before=["pool.ntp.org"])
    finally:
        sys.modules["socket"] = sntp.socket = socket
        assert socket.getaddrinfo is saved
    assert text.startswith("pool.ntp.org: out of memory: "), text
    assert "no such name" not in text
    assert "UDP" not in text


def test_a_name_that_does_not_resolve_is_not_the_end():
    said, servers = ask(lambda request: [reply(request)], before=["no.such.host.invalid:1"])
    assert said.endswith("from " + servers[0].host)


def test_other_tasks_run_while_we_wait():
    counted = []

    async def work():
        async def count():
            while True:
                counted.append(1)
                await asyncio.sleep(0.01)

        silent = Server(lambda request: [])
        task = asyncio.create_task(count())
        assert not await timekeeping.synchronise([silent.host], ready, 0.2, 1)
        task.cancel()
        silent.socket.close()

    asyncio.run(work())
    assert len(counted) > 3, counted


def test_the_era_after_february_2036():
    floor = wall.floor
    try:
        wall.floor = 2085978496 - 86400
        assert sntp.parse_reply(reply(bytes(48), 2085978496 + 5))[0] == 2085978501
    finally:
        wall.floor = floor


def test_half_the_round_trip_is_added():
    assert sntp.parse_reply(reply(bytes(48)), 1000) == (NOW + 1, 0)
    assert sntp.parse_reply(reply(bytes(48), fraction=0), 200) == (NOW, 100000)


def test_hosts_and_ports():
    assert sntp.split_host("pool.ntp.org") == ("pool.ntp.org", 123)
    assert sntp.split_host("10.0.0.1:1123") == ("10.0.0.1", 1123)
    assert sntp.split_host("[fd00::1]:1123") == ("fd00::1", 1123)
    assert sntp.split_host("[fd00::1]") == ("fd00::1", 123)
    assert sntp.split_host("fd00::1") == ("fd00::1", 123)


class Time:
    """The time module of a board: epoch 2000."""

    def __init__(self, seconds):
        self.seconds = seconds

    def time(self):
        return self.seconds

    def gmtime(self, seconds):
        return time.gmtime(seconds + 946684800)


def test_a_board_that_counts_from_2000():
    saved = wall.time, wall.EPOCH
    wall.time, wall.EPOCH = Time(0), 946684800
    try:
        assert clock.unix_time() == 946684800
        assert not clock.is_set()
        wall.time.seconds = NOW - 946684800
        assert clock.unix_time() == NOW
        assert clock.is_set()
        fakes.Rtc.set_to = None
        sntp.set_time(NOW, 7)
        assert fakes.Rtc.set_to[0] == time.gmtime(NOW)[0]
        assert fakes.Rtc.set_to[7] == 7
        assert clock.iso(1795305600 + 3661) == "2026-11-22 01:01:01Z"
    finally:
        wall.time, wall.EPOCH = saved


def test_uptime_goes_on_when_the_ticks_start_again():
    ticks = [2**30 - 2000, 3000, 4500]
    period = 2**30
    runtime.ticks_ms = lambda: ticks[0]
    runtime.ticks_diff = lambda a, b: (a - b) % period
    uptime = clock.Uptime()
    ticks.pop(0)
    assert uptime.seconds() == 5
    ticks.pop(0)
    assert uptime.seconds() == 6


def test_a_date_that_32_bits_may_not_hold():
    # MicroPython 1.25 with words of 32 bits cannot say it; what is reported goes on all the same.
    assert clock.iso(4102444800) in ("2100-01-01 00:00:00Z", "a day in the far future")
