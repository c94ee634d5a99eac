"""Compiles a kernel on the board itself.

A portable .mpy cannot hold native code, and a .mpy for the wrong architecture fails on import.
So the kernels travel as source: a board whose firmware has the emitter compiles them on first
use, every other interpreter gets None and takes the portable way.
"""


def compile_viper(source, name):
    """Compile the viper function `name` of `source`; None where that is not possible."""
    try:
        import micropython

        scope = {"micropython": micropython}
        exec(source, scope)  # noqa: S102 the source is a constant of this package
        return scope[name]
    except Exception:  # noqa: BLE001 each port without an emitter says so in another way
        return None
