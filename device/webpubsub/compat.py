"""What CPython lacks of MicroPython, for the modules without I/O."""

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):
        """What MicroPython's compiler writes where its name stands."""
        return value


__all__ = ("const",)
