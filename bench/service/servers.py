"""The two servers, each in a process of its own, and what such a process uses."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
from localhub.auth.tokens import make_client_token

from ..measure import BenchError as BenchError

HERE = Path(__file__).parent
HOST = "127.0.0.1"
HUB = "bench"
GROUP = "all"
PLAIN = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
_START_TIMEOUT = 60.0
_ROLES = ("webpubsub.sendToGroup",)


@dataclass(frozen=True)
class UpgradeRequest:
    """How a client gets in.

    Attributes:
        port: of the server, on loopback.
        target: path and query of the upgrade request. Holds a token.
        subprotocol: to offer; None for none.
        greeted: whether the server speaks first.
    """

    port: int
    target: str
    subprotocol: str | None
    greeted: bool


class Server:
    """A server at work.

    Args:
        process: its process.
        port: where it listens on loopback.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    @property
    def cpu(self) -> float:
        """User and system time of the process so far, in seconds, of all its threads."""
        if self._process.poll() is not None:
            raise BenchError(f"the server ended with {self._process.returncode}")
        # The kernel's number for the clock of another process, see clock_getcpuclockid(3).
        # /proc/PID/stat counts in hundredths of a second only.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    @property
    def memory(self) -> int:
        """Bytes that only this process keeps in memory."""
        text = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return 1024 * sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE)))


class Bare(Server):
    """The baseline, `bare.py`."""

    def receiver(self) -> UpgradeRequest:
        """For a client that listens."""
        return UpgradeRequest(self.port, "/receive", None, greeted=False)

    def publisher(self) -> UpgradeRequest:
        """For a client that speaks to all."""
        return UpgradeRequest(self.port, "/publish", None, greeted=False)

    def echo(self) -> UpgradeRequest:
        """For a client that wants its messages back."""
        return UpgradeRequest(self.port, "/echo", None, greeted=False)

    @staticmethod
    def publish(data: str) -> str:
        """What a publisher says; just as long as what a client of the service gets."""
        return json.dumps(
            {
                "type": "message",
                "from": "group",
                "group": GROUP,
                "dataType": "text",
                "data": data,
                "fromUserId": None,
            },
            separators=(",", ":"),
        )

    def post(self, data: str) -> bytes:
        """A request that speaks to all."""
        return _post(self.port, "/send", self.publish(data))


class LocalService(Server):
    """`hubtool serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int, key: str) -> None:
        super().__init__(process, port)
        self._key = key

    def receiver(self, subprotocol: str = PLAIN, user_id: str | None = None) -> UpgradeRequest:
        """For a client that is in the group."""
        return self._upgrade_request(subprotocol, (GROUP,), user_id)

    def publisher(self, subprotocol: str = PLAIN) -> UpgradeRequest:
        """For a client that is not, and may publish to it."""
        return self._upgrade_request(subprotocol, ())

    def _upgrade_request(
        self, subprotocol: str, groups: Sequence[str], user_id: str | None = None
    ) -> UpgradeRequest:
        token = make_client_token(
            self._key,
            f"http://{HOST}:{self.port}/client/hubs/{HUB}",
            user_id=user_id,
            roles=_ROLES,
            groups=groups,
            lifetime=3600,
        )
        target = f"/client/hubs/{HUB}?access_token={token}"
        return UpgradeRequest(self.port, target, subprotocol, greeted=True)

    def recovery(self, connection_id: str, token: str) -> UpgradeRequest:
        """For a reliable client whose connection was cut."""
        query = f"awps_connection_id={quote(connection_id)}"
        query += f"&awps_reconnection_token={quote(token, safe='')}"
        return UpgradeRequest(self.port, f"/client/hubs/{HUB}?{query}", RELIABLE, greeted=False)

    @staticmethod
    def publish(data: str, ack_id: int | None = None) -> str:
        """What a publisher says."""
        frame: dict[str, Any] = {
            "type": "sendToGroup",
            "group": GROUP,
            "dataType": "text",
            "data": data,
        }
        if ack_id is not None:
            frame["ackId"] = ack_id
        return json.dumps(frame, separators=(",", ":"))

    def post(self, data: str) -> bytes:
        """A `:send` to the group with a token that is made now, as the SDKs do."""
        path = f"/api/hubs/{HUB}/groups/{GROUP}/:send?api-version=2024-12-01"
        now = int(time.time())
        url = f"http://{HOST}:{self.port}{path}"
        token = jwt.encode({"aud": url, "iat": now, "exp": now + 60}, self._key, "HS256")
        return _post(self.port, path, data, f"Authorization: Bearer {token}\r\n")


def _post(port: int, path: str, body: str, headers: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{headers}"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def first_line(process: subprocess.Popen[str], timeout: float = _START_TIMEOUT) -> str:
    """The next line that a process prints.

    Raises:
        BenchError: there is none within so many seconds.
    """
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], timeout)
    line = process.stdout.readline() if readable else ""
    if not line:
        raise BenchError(f"{process.args!r} said nothing for {timeout:.0f} s, or ended")
    return line


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            # Killed, not asked: thousands of farewells would only take time.
            process.kill()


@contextlib.contextmanager
def bare() -> Iterator[Bare]:
    """The baseline in a process."""
    with _running([sys.executable, str(HERE / "bare.py")]) as process:
        yield Bare(process, int(first_line(process)))


@contextlib.contextmanager
def local_service(event_handler: str | None = None) -> Iterator[LocalService]:
    """`hubtool serve` in a process.

    Args:
        event_handler: URL that learns of the ends of connections; None for nobody.
    """
    key = secrets.token_urlsafe(32)
    config = f'[service]\naccess_key = "{key}"\n[[hubs]]\nname = "{HUB}"\n'
    if event_handler is not None:
        config += f'[[hubs.event_handlers]]\nurl_template = "{event_handler}"\n'
        config += 'system_events = ["disconnected"]\n'
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "localhub.toml"
        file.touch(mode=0o600)
        file.write_text(config)
        command = [sys.executable, "-m", "hubtool", "serve", "--port", "0", "--config", str(file)]
        with _running(command) as process:
            port = int(first_line(process).rpartition(":")[2])
            yield LocalService(process, port, key)
