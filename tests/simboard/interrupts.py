"""Ctrl-C at any moment of a program that writes files."""

from __future__ import annotations

import time

from mpremote.transport_serial import SerialTransport

_PROGRAM = """
import os
i = 0
while True:
    i += 1
    with open("/f", "wb") as file:
        for _ in range(20):
            file.write(bytes(200))
    os.rename("/f", "/g%d" % (i % 5))
"""


def interrupt_writing(transport: SerialTransport, delay: float) -> None:
    """Start the program in the raw REPL, and interrupt it `delay` seconds later."""
    transport.exec_raw_no_follow(_PROGRAM)
    time.sleep(delay)
    transport.serial.write(b"\x03")
    _, error = transport.follow(20)
    assert error.decode().strip().endswith("KeyboardInterrupt:")


def probe(transport: SerialTransport, number: int) -> None:
    """See that a file that is written now can be read."""
    transport.exec(f"with open('/probe', 'w') as file: file.write('{number}')")
    assert transport.eval("open('/probe').read()") == str(number)
