"""The way over verified TLS: the clock first, then certificates."""

import asyncio
import re
import time

import pytest
from localhub import LocalHub

CONFIG = {
    "service": {"tls": {"port": 0}},
    "hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}],
}
PATIENCE = 40


@pytest.fixture
async def service():
    async with LocalHub(CONFIG) as hub:
        yield hub


@pytest.fixture
def make_tls_board(service, make_board, slot_files, time_server):
    async def make(ca=None, ntp=None):
        files = slot_files(
            ca=service.ca_der if ca is None else ca,
            hub={"endpoint": service.tls_endpoint},
            clock={"ntp": [time_server.address] if ntp is None else ntp},
            telemetry={"group": ""},
        )
        return await asyncio.to_thread(make_board, files)

    return make


async def wait_for(board, wanted):
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


async def test_clock_then_verified_tls(make_tls_board, time_server):
    board = await make_tls_board()
    await wait_for(board, "[clock] not set: TLS waits for it")
    told = await wait_for(board, re.compile(r"\[clock\] 20\d\d-\d\d-\d\d \S+Z from 127\.0\.0\.1"))
    assert str(time.gmtime().tm_year) in told
    await wait_for(board, "[hub] connected as anonymous")


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
