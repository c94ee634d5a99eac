"""Runs programs on the model of the chip, beside servers that take commands."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from simboard.chip import places

# What every program begins with.
PRELUDE = """\
import gc, esp32, os, socket, sys, time
import _chip
def regions():
    return esp32.idf_heap_info(esp32.HEAP_DATA)
def free():
    return sum(region[1] for region in regions())
def largest():
    return max(region[2] for region in regions())
def lowest():
    return sum(region[3] for region in regions())
def python_heap():
    # (used, free) of Python's heap as it is: gc.mem_free() counts the largest IDF block as well.
    # lwIP's task and a thread that ends give memory back at any moment, between two readings, too.
    while True:
        block = largest()
        used, left = gc.mem_alloc(), gc.mem_free() - block
        if largest() == block:
            return used, left
def spare():
    return python_heap()[1]
def heap():
    return sum(python_heap())
def leave(size):
    # Take of the IDF heap until hardly more than `size` bytes are free.
    while free() - size > 16:
        _chip.take(min(free() - size - 4, 4000))
def address():
    return ("127.0.0.1", int(os.getenv("PORT")))
def connected():
    s = socket.socket()
    s.connect(address())
    s.setsockopt(6, 1, 1)
    return s
def until(condition, seconds=30):
    for _ in range(seconds * 100):
        if condition():
            return
        time.sleep_ms(10)
    raise Exception("it never came true")
"""


class Chip:
    """One version of the model.

    Attributes:
        version: of MicroPython.
        folder: where programs and their files go.
    """

    def __init__(self, version: str, folder: Path) -> None:
        self.version, self.folder = version, folder

    def start(self, program: str, **variables: object) -> subprocess.Popen[str]:
        """Start a program; its output is piped. PORT and the like are its environment."""
        script = self.folder / "program.py"
        script.write_text(PRELUDE + program)
        environment = {name: str(value) for name, value in variables.items()}
        return subprocess.Popen(
            [str(places.program(self.version)), str(script)],
            env={**os.environ, **environment},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, program: str, **variables: object) -> list[int]:
        """Run a program to its end; the numbers that it printed."""
        process = self.start(program, **variables)
        try:
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0, output
        return [int(word) for word in output.split()]


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which each connection is given to a function, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=one, args=(peer,), daemon=True).start()

        def one(peer: socket.socket) -> None:
            with contextlib.suppress(OSError), peer:
                serve(peer)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def silent(peer: socket.socket) -> None:
    """Neither read nor write until the other side has gone; for `server`."""
    while peer.recv(1, socket.MSG_PEEK):
        time.sleep(0.05)


@contextlib.contextmanager
def tls_server(folder: Path, key: trustme.KeyType) -> Iterator[int]:
    """A TLS server whose CA is in ca.der; it sends back what it gets."""
    authority = trustme.CA(key_type=key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", key_type=key).configure_cert(context)
    certificate = load_pem_x509_certificate(authority.cert_pem.bytes())
    (folder / "ca.der").write_bytes(certificate.public_bytes(Encoding.DER))

    def echo(peer: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(peer, server_side=True) as tls:
            while data := tls.recv(4096):
                tls.sendall(data)

    with server(echo) as port:
        yield port
