"""What a simulated board says about its settings; without a hub."""

import pytest
from hubtool.device_build import prepare_sources
from micropython_webpubsub.assets import device_files

PROMPT = ">>> "


def test_no_settings(make_board):
    board = make_board()
    board.wait_for("[settings] no settings on this board: run hubtool configure")
    board.wait_for(PROMPT)


@pytest.mark.parametrize("name", ["settings", "secrets", "ca"])
def test_damaged_settings(make_board, slot_files, name):
    files = slot_files(ca=b"\x30\x82abc")
    path = f"/hub/{name}.a"
    files[path] = bytes([files[path][0] ^ 1]) + files[path][1:]
    board = make_board(files)
    board.wait_for(f"[settings] settings damaged ({name}.a does not match its checksum)")
    board.wait_for("run hubtool configure")
    board.wait_for(PROMPT)
    assert "Traceback" not in board.console


def test_last_good_copy(make_board, slot_files):
    old, new = slot_files("a", 4), slot_files("b", 5)
    new["/hub/secrets.b"] = new["/hub/secrets.b"][:-1]
    board = make_board(old, new)
    stamp = prepare_sources(device_files()).map.stamp
    board.wait_for(f"[board] CP-7, settings generation 4, build {stamp}")
    board.wait_for(
        "secrets.b does not match its checksum): using the last good copy, generation 4"
    )
    board.wait_for("[wifi] joined")


def test_tls_without_a_ca(make_board, slot_files):
    board = make_board(slot_files(hub={"endpoint": "https://127.0.0.1:9"}))
    board.wait_for("[settings] tls.ca: ")
    board.wait_for(PROMPT)


def test_a_readable_token_is_refused(make_board, slot_files):
    board = make_board(slot_files(token="a.b.c", hub={"endpoint": "http://example.com"}))
    board.wait_for("[settings] hub: a token over ws:// can be read by others")
    board.wait_for(PROMPT)


def test_damaged_device_code(make_board):
    console = prepare_sources(device_files()).output("firmware.console")
    board = make_board({f"/lib/{console}": b"M\x06"})
    board.wait_for("[board] the device code cannot be loaded")
    board.wait_for("run hubtool deploy")
    board.wait_for(PROMPT)
