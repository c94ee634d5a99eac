"""The calls of every message take nothing of MicroPython's heap, for their own frames neither.

A function with more than eleven words of variables and stack has its frame there, during a call.
It costs more than the rest of a small one, and may scan all of the heap. What is called from
there sees it.
"""

import gc
import sys

from checks import equal
from webpubsub.frames import BINARY, TEXT, Receiver, Transmitter

MICROPYTHON = sys.implementation.name == "micropython"
SMALL = b"\x82\x04data"
LONGER = b"\x81\x7e\x00\x80" + b"x" * 128


class Wire:
    """Notes how much of the heap is taken while somebody reads or writes."""

    def __init__(self):
        self.data = b""
        self.seen = 0

    def read(self, view):
        self.seen = gc.mem_alloc()
        size = len(self.data)
        view[:size] = self.data
        return size

    def write(self, buffer, start, count):
        self.seen = gc.mem_alloc()
        return count


def taken(wire, step):
    """Heap bytes that a step has taken when it comes to the wire."""
    step()
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        step()
        return wire.seen - before
    finally:
        gc.enable()


def test_receiving():
    if not MICROPYTHON:
        return
    wire = Wire()
    receiver, read, view = Receiver(256, 4096), wire.read, memoryview(bytearray(256))
    for wire.data in (SMALL, LONGER):
        equal(taken(wire, lambda: receiver.next(read)), taken(wire, lambda: read(view)))


def test_sending():
    if not MICROPYTHON:
        return
    wire = Wire()
    transmitter, write = Transmitter(256), wire.write
    for opcode, data in ((TEXT, b""), (BINARY, bytes(128))):
        # The first one asks for keys.
        transmitter.send(opcode, data, len(data), write)
        equal(
            taken(wire, lambda o=opcode, d=data: transmitter.send(o, d, len(d), write)),
            taken(wire, lambda d=data: write(d, 0, 0)),
        )
