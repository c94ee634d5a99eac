"""What CPython lacks of MicroPython, for the modules without I/O."""

try:
    from gc import mem_free

    from micropython import const
except ImportError:  # CPython

    def const(number):
        """A number that MicroPython's compiler writes where its name stands."""
        return number

    def mem_free():
        """Bytes of heap that are free: enough."""
        return 1 << 30
