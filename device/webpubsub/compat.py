"""What CPython lacks of MicroPython, for the modules without I/O; and memory, which it has."""

import gc

try:
    from gc import mem_free

    from micropython import const
except ImportError:  # CPython

    def const(value):
        """What MicroPython's compiler writes where its name stands."""
        return value

    def mem_free():
        """Bytes of heap that are free: enough."""
        return 1 << 30


# Bytes of heap that are not much for a client.
_SCARCE = const(1 << 17)


def tidy_up():
    """Collect garbage where memory is scarce: after modules were loaded, and before buffers are.

    What stays would be scattered among it otherwise, and a small heap would have no room for a
    message in one piece, although enough of it is free.
    """
    if mem_free() < _SCARCE:
        gc.collect()
