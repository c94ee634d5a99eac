"""The echo server of the benches, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..measure import HERE, BenchError

LINKS = ("ws", "wss")


@dataclass(frozen=True)
class Echo:
    """Where it listens on loopback, and the CA to verify it with."""

    raw: int
    raw_tls: int
    ws: int
    wss: int
    ca_file: Path

    def variables(self, link: str) -> dict[str, object]:
        """What a program needs in its environment to reach it: by TLS if `link` is wss."""
        if link == "wss":
            return {
                "RAW": self.raw_tls,
                "URL": f"wss://localhost:{self.wss}",
                "CA": self.ca_file,
            }
        return {"RAW": self.raw, "URL": f"ws://127.0.0.1:{self.ws}"}


@contextmanager
def echo_server(ca_file: Path) -> Iterator[Echo]:
    """The server; writes its CA into that file.

    Raises:
        BenchError: it did not start.
    """
    command = [sys.executable, str(HERE / "echo_server.py"), str(ca_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line:
                raise BenchError("the echo server did not start")
            raw, raw_tls, ws, wss = json.loads(line)
            yield Echo(raw, raw_tls, ws, wss, ca_file)
        finally:
            server.terminate()
