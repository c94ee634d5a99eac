"""`hubtool serve`: the lines it prints, and the handler beside the service."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import websockets.exceptions
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.servers.serve import ServeOptions, load_options
from websockets.sync.client import connect

from tests.support.protocol import JSON


@contextlib.contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """Run `hubtool serve` until it is ready; gives its lines and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hubtool", "serve", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Connection string:"):
                break
        yield lines, process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="background jobs of a POSIX shell")
def test_a_background_job_ends_with_sigterm(tmp_path: Path) -> None:
    # That is how a shell without job control starts it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with serving(tmp_path, "--port", "0") as (_, process):
            process.terminate()
            assert process.wait(20) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_lines_of_the_contract(tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0") as (lines, process):
        assert len(lines) == 2
        listening = re.fullmatch(r"Listening on (http://127\.0\.0\.1:(\d+))", lines[0])
        assert listening
        assert re.fullmatch(
            rf"Connection string: Endpoint={listening[1]};AccessKey=\S{{32,}};Version=1\.0;",
            lines[1],
        )
        socket.create_connection(("127.0.0.1", int(listening[2])), 5).close()
        assert process.stdout is not None
        page = re.escape(f"Page: {listening[1]}/?token=") + r"[0-9a-f]{40}\n"
        assert re.fullmatch(page, process.stdout.readline())
        if os.name == "posix":
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
            assert (process.returncode, error) == (0, "")


def test_tls_with_a_ca_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", "--tls") as (lines, process):
        assert [line.split(":")[0] for line in lines] == [
            "Listening on http",
            "Listening on https",
            "Connection string",
        ]
        port = int(lines[1].rpartition(":")[2])
        assert lines[1] == f"Listening on https://localhost:{port}"
        assert process.stdout is not None
        ca = process.stdout.readline().rstrip("\n").removeprefix("CA certificate: ")
        assert ca == str(tmp_path / ".state" / "localhub-ca.pem")
        assert f"https://localhost:{port}" in process.stdout.readline()
        context = ssl.create_default_context(cafile=ca)
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            context.wrap_socket(plain, server_hostname="localhost").close()
        if os.name == "posix":
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            assert process.returncode == 0


CONFIG = """\
[[hubs]]
name = "chargers"
anonymous_connect_policy = "allow"

[[hubs.event_handlers]]
url_template = "http://127.0.0.1:{port}/eventhandler/{{event}}"
system_events = ["connect", "connected", "disconnected"]
user_event_pattern = "*"

[handler]
port = {port}

[[handler.devices]]
match = {{ query.id = "CP-*" }}
user_id = "{{query.id}}"
"""


def test_the_handler_runs_beside_the_service(tmp_path: Path, free_port: Callable[[], int]) -> None:
    config = tmp_path / "service.toml"
    config.write_text(CONFIG.format(port=free_port()))
    words = ("--port", "0", "--no-page", "--config", str(config))
    with serving(tmp_path, *words) as (lines, process):
        assert lines[1].startswith("Event handler: http://127.0.0.1:")
        url = lines[0].removeprefix("Listening on http") + "/client/hubs/chargers"
        with connect(f"ws{url}?id=CP-7", subprotocols=[JSON]) as client:  # type: ignore[list-item]
            assert '"userId":"CP-7"' in str(client.recv(10))
        assert process.stdout is not None
        assert process.stdout.readline() == "let in CP-7 (rule 1)\n"
        with (
            pytest.raises(websockets.exceptions.InvalidStatus) as caught,
            connect(f"ws{url}?id=XX", subprotocols=[JSON]),  # type: ignore[list-item]
        ):
            pass
        assert caught.value.response.status_code == 401


def test_a_taken_port_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    handler = tmp_path / "handler.toml"
    handler.write_text("[handler]\n[[handler.devices]]\nmatch = { query.id = '*' }\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words in (["serve"], ["handler", "--config", str(handler)]):
            assert main([*words, "--port", port]) == 1
            error = capsys.readouterr().err
            assert "choose another" in error
            assert "already in use" in error
            assert error.count(port) == 1, error
            assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[servce]", "did you mean 'service'"),
        ("[handler]\nprot = 1", "did you mean 'port'"),
        ("[handler]\ndevices = []", "at least 1 item"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "service.toml"
    path.write_text(text)
    with pytest.raises(HubtoolError, match=said):
        load_options(ServeOptions(config=path))


def test_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text("[service]\nport = 1234\nhost = '127.0.0.1'\n")
    config, table = load_options(ServeOptions(path, "127.0.0.2", 99, tls=True))
    assert (config.service.host, config.service.port) == ("127.0.0.2", 99)
    assert config.service.tls is not None
    assert config.service.tls.port == 7443
    assert table is None


def test_a_port_out_of_range_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--port", "70000"])
    assert caught.value.code == 2


def test_the_handler_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], free_port: Callable[[], int]
) -> None:
    config = tmp_path / "service.toml"
    config.write_text(CONFIG.format(port=free_port()))
    process = subprocess.Popen(
        [sys.executable, "-m", "hubtool", "handler", "--config", str(config), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        assert process.stdout is not None
        found = re.fullmatch(
            r"Listening on http://127\.0\.0\.1:(\d+)\n", process.stdout.readline()
        )
        assert found
        socket.create_connection(("127.0.0.1", int(found[1])), 5).close()
        process.terminate()
        _, error = process.communicate(timeout=30)
        if os.name == "posix":
            assert (process.returncode, error) == (0, "")
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def test_a_handler_needs_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "service.toml"
    config.write_text("[service]\n")
    assert main(["handler", "--config", str(config)]) == 1
    assert "has no [handler] table: add [[handler.devices]]" in capsys.readouterr().err
