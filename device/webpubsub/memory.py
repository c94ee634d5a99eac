"""What a board has for memory, and how this package is careful with it.

On an ESP32 without PSRAM the Python heap grows into the heap of the ESP-IDF, from which Wi-Fi,
lwIP and TLS live, and does not give back what it took. `gc.mem_free()` counts all that it could
take, so nothing is decided by it; these functions say what there is.
"""

import gc

from . import once  # noqa: F401 for programs, and for this package
from .compat import const

# What a TLS handshake takes at its peak, with the first socket, and in one piece, for the buffer
# of 16 KiB: ESP32_GENERIC v1.24.0, a chain of EC certificates.
_TLS_FREE = const(34000)
_TLS_BLOCK = const(17500)
# No chip has as much without PSRAM.
_PSRAM = const(1000000)

try:
    from esp32 import HEAP_DATA, idf_heap_info
except ImportError:
    HEAP_DATA = 0

    def idf_heap_info(_):
        """Other ports have one heap only."""
        return ()


def idf_heap():
    """(free bytes, largest block) of the heap of the ESP-IDF; None on other ports."""
    free = largest = 0
    for region in idf_heap_info(HEAP_DATA):
        free += region[1]
        largest = max(largest, region[2])
    return (free, largest) if free else None


def is_room_for_tls(more=0):
    """Whether the heap of the ESP-IDF has what a TLS connection takes; True on other ports.

    more: bytes to spare.
    """
    idf = idf_heap()
    return idf is None or (idf[0] >= _TLS_FREE + more and idf[1] >= _TLS_BLOCK)


def python_heap():
    """(bytes in use, bytes in all) of the Python heap as large as it is now; None on CPython."""
    if not hasattr(gc, "mem_alloc"):
        return None
    while True:
        block = idf_heap()  # first, for it allocates
        block = block[1] if block else 0
        used = gc.mem_alloc()
        # What the heap could grow by is no part of it.
        total = used + gc.mem_free() - block
        # lwIP's task and the end of a thread change that block between two readings.
        if (idf_heap() or (0, 0))[1] == block:
            return used, total


def spare():
    """Bytes that are free in the Python heap as large as it is now; enough on CPython."""
    heap = python_heap()
    return heap[1] - heap[0] if heap else 1 << 30


def usual_buffer():
    """Bytes of a connection's buffer unless somebody asks for another size.

    Without PSRAM each byte counts, and what is larger than a buffer gets one for as long as it
    is needed.
    """
    idf = idf_heap()
    return 1024 if idf and idf[0] < _PSRAM else 2048


def tidy_up():
    """Collect garbage: after modules were loaded, and before buffers are.

    What stays would be scattered among it otherwise, and a small heap would have no room for a
    message in one piece, although enough of it is free.
    """
    if hasattr(gc, "mem_alloc"):  # on CPython it takes long, and brings nothing
        gc.collect()
