"""Wi-Fi that fails on order: the model by itself, and through a board's `network`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from simboard import Radio, SimulatedBoard, SimulatorError

Run = Callable[[SimulatedBoard, str], str]

HELPERS = """
import network, time
w = network.WLAN(network.STA_IF)
def settle(wanted):
    for _ in range(500):
        if w.status() == wanted:
            break
        time.sleep_ms(10)
    print(w.status(), w.isconnected(), w.ifconfig()[0])
"""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def radio(clock: Clock) -> Radio:
    radio = Radio(clock)
    radio.connect_seconds = 2
    radio.add("site", "password", rssi=-70)
    radio.set_active(0, True)
    return radio


def test_connecting_takes_its_time(radio: Radio, clock: Clock) -> None:
    assert radio.status() == 1000
    radio.connect("site", "password")
    assert radio.status() == 1001
    with pytest.raises(OSError, match="Wifi Internal Error"):
        radio.connect("site", "password")
    clock.now += 2
    assert radio.status() == 1010
    assert radio.rssi() == -70


@pytest.mark.parametrize(
    ("ssid", "password", "status"), [("site", "wrong", 202), ("nowhere", "password", 201)]
)
def test_connecting_in_vain_goes_on(
    radio: Radio, clock: Clock, ssid: str, password: str, status: int
) -> None:
    radio.connect(ssid, password)
    clock.now += 2
    assert (radio.status(), radio.is_connected()) == (status, False)
    radio.add(ssid, password)
    clock.now += 2
    assert radio.connected


def test_lost_link_comes_back_by_itself(radio: Radio, clock: Clock) -> None:
    radio.connect("site", "password")
    clock.now += 2
    assert radio.connected
    radio.drop_link()
    assert (radio.status(), radio.connected) == (200, False)
    clock.now += 2
    assert radio.connected
    radio.remove("site")
    clock.now += 2
    assert radio.status() == 201
    radio.disconnect()
    assert radio.status() == 1000


def test_station_that_is_off_cannot_connect() -> None:
    radio = Radio()
    with pytest.raises(OSError, match="Wifi Not Started"):
        radio.connect("simulated", "simulated")


def test_board_sees_the_radio(board: SimulatedBoard, run: Run) -> None:
    board.radio.add("site", "password", rssi=-61)
    program = (
        HELPERS
        + """
print(w.active(), w.active(True), w.status() == network.STAT_IDLE)
w.connect('site', 'wrong')
settle(network.STAT_WRONG_PASSWORD)
try:
    w.connect('site', 'password')
except OSError as error:
    print(error)
w.disconnect()
w.connect('nowhere', 'x')
settle(network.STAT_NO_AP_FOUND)
w.disconnect()
w.connect('site', 'password')
settle(network.STAT_GOT_IP)
print(w.status('rssi'), w.config('ssid'), [n[0] for n in w.scan()])
network.hostname('pole-7')
print(network.hostname())
"""
    )
    assert run(board, program) == (
        "False True True\n202 False 0.0.0.0\nWifi Internal Error\n201 False 0.0.0.0\n"
        "1010 True 192.0.2.17\n-61 site [b'simulated', b'site']\npole-7\n"
    )
    assert board.radio.connected
    board.radio.remove("site")
    assert run(board, HELPERS + "settle(201)") == "201 False 0.0.0.0\n"
    board.radio.add("site", "password")
    assert run(board, HELPERS + "settle(1010)") == "1010 True 192.0.2.17\n"


def test_names_need_the_link_once_wifi_is_on(board: SimulatedBoard, run: Run) -> None:
    look_up = """
import socket
try:
    print(len(socket.getaddrinfo('127.0.0.1', 80)) > 0)
except OSError as error:
    print(error.errno)
"""
    assert run(board, look_up) == "True\n"
    assert run(board, "import network; network.WLAN().active(True)" + look_up) == "-202\n"
    joined = HELPERS + "w.connect('simulated', 'simulated')\nsettle(1010)\n"
    assert run(board, joined + look_up).endswith("True\n")


def test_ordered_refusal(board: SimulatedBoard, run: Run) -> None:
    board.radio.refuse_next_connect()
    program = """
import network
w = network.WLAN(); w.active(True)
for _ in range(2):
    try:
        w.connect('simulated', 'simulated'); print('connecting')
    except OSError as error:
        print(error)
"""
    assert run(board, program) == "Wifi Internal Error\nconnecting\n"


def test_radio_file(tmp_path: Path) -> None:
    path = tmp_path / "radio.json"
    path.write_text(json.dumps({"access_points": [{"ssid": "a", "password": "b" * 8}]}))
    radio = Radio()
    radio.load(path)
    radio.set_active(0, True)
    assert [network[0] for network in radio.scan()] == ["a"]
    for wrong in ("{", '{"access_points": [{"name": "a"}]}', "[]"):
        path.write_text(wrong)
        with pytest.raises(SimulatorError, match=r"radio\.json"):
            radio.load(path)
    assert [network[0] for network in radio.scan()] == ["a"]


@pytest.mark.parametrize("ssid", ["Büro ☕", "📶", "a📶b", " home ", "\u2028", 'x";\\'])
def test_names_of_every_length_in_utf8_reach_the_board(ssid: str, run: Run) -> None:
    with SimulatedBoard() as board:
        board.radio.clear()
        board.radio.add(ssid, "📶 password")
        seen = run(
            board,
            HELPERS
            + f"w.active(True)\nprint(w.scan()[0][0] == {ssid.encode()!r})\n"
            + f"w.connect({ssid!r}, '📶 password')\nsettle(1010)\n"
            + f"print(w.config('ssid') == {ssid!r})\nnetwork.hostname({ssid!r})\n"
            + f"print(network.hostname() == {ssid!r})\n",
        )
    assert seen.split() == ["True", "1010", "True", "192.0.2.17", "True", "True"]
