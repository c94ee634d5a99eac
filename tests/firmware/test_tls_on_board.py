"""The way over verified TLS: the clock first, then certificates."""

import asyncio
import re
import time

import jwt
import pytest
from localhub import LocalHub
from simboard.peripherals import Peripherals

CONFIG = {
    "service": {"tls": {"port": 0}},
    "hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}],
}
PATIENCE = 40


@pytest.fixture
async def service(request):
    if "one_clock" in request.fixturenames:
        request.getfixturevalue("tls_clock")  # so that its certificates have real dates
    async with LocalHub(CONFIG) as hub:
        yield hub


@pytest.fixture
def make_tls_board(service, make_board, slot_files, time_server):
    async def make(ca=None, ntp=None, more=None, token=""):
        files = slot_files(
            token=token,
            ca=service.ca_der if ca is None else ca,
            hub={"endpoint": service.tls_endpoint},
            clock={"ntp": [time_server.address] if ntp is None else ntp},
            telemetry={"group": ""},
        )
        return await asyncio.to_thread(make_board, files, more or {})

    return make


# A board's clock counts from there, and ours from 1970.
EPOCH = 946_684_800


@pytest.fixture
def one_clock(tls_clock, monkeypatch):
    """Certificates are judged by the board's own clock, as on hardware.

    Here mbedTLS looks at the computer's, and follows the board's as soon as the board sets it.
    """

    def follow(peripherals, offset):
        peripherals.__dict__["_offset"] = offset
        tls_clock.shift(offset / 1e9 + EPOCH)

    offset = property(lambda peripherals: peripherals.__dict__["_offset"], follow)
    monkeypatch.setattr(Peripherals, "clock_offset", offset, raising=False)
    monkeypatch.setenv("MICROPYTHON", str(tls_clock.program))
    return tls_clock


async def wait_for(board, wanted):
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


async def test_clock_then_verified_tls(make_tls_board, time_server):
    board = await make_tls_board()
    await wait_for(board, "[clock] not set: TLS waits for it")
    shown = await wait_for(board, re.compile(r"\[clock\] 20\d\d-\d\d-\d\d \S+Z from 127\.0\.0\.1"))
    assert str(time.gmtime().tm_year) in shown
    await wait_for(board, "[hub] connected as anonymous")


async def test_a_token_that_ends_soon_is_told(make_tls_board, service):
    url = service.client_url("chargers", user_id="CP-7", lifetime=2 * 86400, tls=True)
    token = url.partition("access_token=")[2]
    board = await make_tls_board(token=token)
    await wait_for(board, "[hub] connected as CP-7")
    shown = await wait_for(board, re.compile(r"\[hub\] this board's token expires on [^\r\n]*"))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(claims["exp"])) in shown
    assert "make one with hubtool token" in shown
    assert token not in board.console


async def test_no_time_server_in_the_settings(make_tls_board):
    board = await make_tls_board(ntp=[])
    await wait_for(board, "[settings] the clock is not set")
    await wait_for(board, "add clock.ntp and run hubtool configure")
    await wait_for(board, ">>> ")


async def test_a_time_server_that_comes_late(make_tls_board, time_server):
    time_server.offset = -time.time()  # 1970: no board believes that
    board = await make_tls_board()
    await wait_for(board, "[clock] no time from the network (127.0.0.1:")
    await wait_for(board, "a time in the year 1970")
    time_server.offset = 0
    await wait_for(board, "[hub] connected as anonymous")


async def test_a_ca_that_did_not_sign(make_tls_board):
    async with LocalHub(CONFIG) as stranger:
        board = await make_tls_board(ca=stranger.ca_der)
    await wait_for(board, "[hub] TLS with ")
    await wait_for(board, "check tls.ca")
    await wait_for(board, re.compile(r"again in \d+ s"))
    await wait_for(board, re.compile(r"again in \d+ s"))
    assert "connected as" not in board.console
    assert "Traceback" not in board.console


# By the board's own clock


# Waits for nothing: what somebody meets who uses the client without the firmware's clock.
HASTY = {
    "/boot.py": b"from firmware.node import Node\n"
    b"async def at_once(node):\n"
    b"    await node.hub.run()\n"
    b"Node.connect = at_once\n"
}


async def test_tls_fails_by_a_clock_that_is_not_set_and_the_board_says_so(
    one_clock, make_tls_board, time_server
):
    time_server.silent = True
    board = await make_tls_board(more=HASTY)
    await wait_for(board, "[hub] TLS with localhost failed: ")
    shown = await wait_for(board, re.compile(r"starts in the future: [^\r\n]*"))
    assert "the clock shows 2000-01-01 and was never set: set it by NTP: check clock.ntp" in shown
    # The time comes, and nothing else is needed.
    time_server.silent = False
    await wait_for(board, "[hub] connected as anonymous")


async def test_the_firmware_sets_the_clock_before_it_looks_at_a_certificate(
    one_clock, make_tls_board, time_server
):
    time_server.silent = True
    board = await make_tls_board()
    await wait_for(board, "[clock] not set: TLS waits for it")
    time_server.silent = False
    await wait_for(board, "[hub] connected as anonymous")
    # Right after a power cut it is 2000 again.
    await asyncio.to_thread(board.power_cut)
    await wait_for(board, "[clock] not set: TLS waits for it")
    await wait_for(board, "[hub] connected as anonymous")
    assert "TLS with" not in board.console


async def test_a_time_server_that_is_years_ahead(one_clock, make_tls_board, time_server):
    time_server.offset = 10 * 365 * 86400
    board = await make_tls_board()
    shown = await wait_for(board, re.compile(r"validity has expired: [^\r\n]*"))
    year = time.gmtime(time.time() + time_server.offset).tm_year
    assert f"the clock shows {year}-" in shown
    assert "check clock.ntp and the service's certificate" in shown
