"""Shapes the Python heap of an ESP32 without PSRAM: the first step of a program there.

    from webpubsub import once

    kept = once("webpubsub.heap").shape()  # before anything else is imported

Why: that heap begins with 56,000 bytes. When it has no room it takes as much again from the heap
of the ESP-IDF, and when it must grow once more it takes the largest block there is, and keeps it:
from then on Wi-Fi, lwIP and TLS, which live in that heap, get nothing. Doubled, it leaves too
little for TLS already. So it is made to grow once, now, by as much as is good:

* It grows by what it has, or by all of the largest block where that is less. So the rest of that
  block is held meanwhile: as the stack of a thread that waits for a lock, which is one piece of
  exactly the size asked for, and given back as soon as the thread has ended.
* It grows only for something that has no room in one piece after a collection. So it is filled
  up with pieces, and then asked for a little more than what is free.
* It gives back a part in which nothing lives, and would grow by too much the next time. So a
  small object stays there: what `read` was asked for, cut down to what there was to read.
* Garbage that is collected late scatters what lives together. So it is collected often.
* Nothing can forbid the next growth. So some of the other heap is held as ballast, which is let
  go when nothing else helps: enough to tell what happened, and to reset.

Seen on stock ESP32_GENERIC v1.23.0 and v1.24.0. It does nothing on ports with another heap.
"""

import gc
import io
import time

from .memory import idf_heap, python_heap

# Bytes. The board file knows better for a board; these are for an ESP32-WROOM-32.
GROWTH = 44000
BALLAST = 6144

# More than this, of the one or of the other, is PSRAM, or no heap that grows so.
_INTERNAL = 600000
_LARGEST = 150000
# A heap that is larger has grown already.
_FIRST_AREA = 70000
# The least that a thread's stack takes.
_SMALLEST = 4096
_THRESHOLD = 4096
# What is left free of the first part: a piece must not be the one that has no room.
_ROOM = 10000


def shape(growth=GROWTH, ballast=BALLAST):
    """Make the Python heap grow by `growth` bytes, once, and hold `ballast` bytes of the other.

    Returns:
        What must be kept for as long as the program runs: (ballast, pin), or None where there is
        nothing to shape. `ballast.release()`, once, lets the ballast go; it is None where it could
        not be taken. What could not be done is said on the console.
    """
    idf = idf_heap()
    if not idf or idf[0] > _INTERNAL or python_heap()[1] > _LARGEST:
        return None
    gc.threshold(_THRESHOLD)
    gc.collect()
    pin = None
    try:
        if growth:
            pin = _grow(growth)
        return _hold(ballast) if ballast else None, pin
    except (ImportError, OSError, MemoryError, RuntimeError) as error:
        print("[memory] the heap could not be shaped (%s)" % error)
        return None, pin


def _grow(growth):
    total = python_heap()[1]
    if total > _FIRST_AREA:
        raise RuntimeError("it has grown to %d already: do it first" % total)
    surplus = idf_heap()[1] - growth
    if surplus < _SMALLEST:
        raise RuntimeError("there is no block of %d" % (growth + _SMALLEST))
    for _ in range(3):
        lock = _hold(surplus)
        try:
            # What the IDF says of a block is rounded down: a little more may be left of it.
            largest = idf_heap()[1]
            if largest <= growth + 1024:
                return _pinned(growth, largest)
        finally:
            free = idf_heap()[0] + surplus
            lock.release()
            for _ in range(200):  # until the thread has ended
                if idf_heap()[0] >= free:
                    break
                time.sleep_ms(5)
            gc.collect()
        surplus += largest - growth
    raise RuntimeError("the block left is of %d" % largest)


def _pinned(growth, largest):
    # The heap grows; returns an object in what it has got.
    if largest < growth - 4096:
        raise RuntimeError("the block left is of %d" % largest)
    used, total = python_heap()
    pieces = [None] * ((total - used - _ROOM) // 1024)
    for place in range(len(pieces)):
        pieces[place] = bytearray(1000)
    gc.collect()
    used, total = python_heap()
    return io.BytesIO(bytes(32)).read(total - used + 64)


def _hold(size):
    # Takes so many bytes until the lock that it returns is released.
    import _thread

    lock = _thread.allocate_lock()
    lock.acquire()
    before = _thread.stack_size(size)
    try:
        # A thread keeps the globals of whoever starts it: these, instead of those of this module.
        exec("start(wait, ())", {"start": _thread.start_new_thread, "wait": lock.acquire})  # noqa: S102
    finally:
        _thread.stack_size(before or 0)
    return lock
