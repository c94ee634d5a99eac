"""The loops over every byte, and the looks at every frame.

`frame(buffer, payload, what, size)` builds a frame of `size` bytes of payload (RFC 6455, section
5.2) in `buffer`: its header, with the next key of the pool, and from byte 80 on the payload,
masked. `what` is the opcode, or HEAD | opcode for the header alone. Returns where the header
starts; 0 when the pool is used up. With `start << 5`, it masks `size` bytes of `payload` from
`start`, a multiple of 4, for the last header. The pool is in the buffer: sixteen keys from 0, how
many of them are left at 64.

`complete(buffer, start, end)` is `size << 2 | opcode` when at `start` there is a data message in
one frame of less than 64 KiB that is complete before `end`, the same below zero when its rest is
missing, and 0 for anything else.

`move(buffer, target, source, count)` moves bytes towards the start of a buffer.

`utf8_check(data, start, end, state)` goes on from `state` over `data[start:end]` and returns the
next state: 0 between characters, 1 when the bytes can never become UTF-8 (RFC 3629). A
message is valid when its last state is 0. MicroPython's own decoder is lax: it takes overlong
forms, surrogates and code points above 10FFFF, all of which RFC 6455 (section 8.1) forbids.

A portable .mpy cannot hold native code, and a .mpy for the wrong architecture fails on import. So
the kernels travel as source: a board whose firmware has the emitter compiles them on import,
every other interpreter takes the portable ones.
"""

import sys

from .memory import once, tidy_up

_MICROPYTHON = sys.implementation.name == "micropython"


def _compiled():
    import micropython

    scope = {"micropython": micropython}
    exec(once("webpubsub.kernel_source").SOURCE, scope)  # noqa: S102 a constant of this package
    tidy_up()  # the compiler leaves much behind
    return scope["frame"], scope["complete"], scope["move"], scope["utf8_check"]


try:
    frame, complete, move, utf8_check = _compiled()
except Exception:  # noqa: BLE001 each port without an emitter says so in another way
    from .portable import complete, frame, move, utf8_check  # noqa: F401 what this module offers
del _compiled  # it would stay


def utf8(text, name):
    """A str as UTF-8: of a pair of surrogates its character, of half a pair U+FFFD.

    MicroPython has such in a str as soon as its json reads an escaped pair, and writes bytes of it
    that no peer takes (RFC 3629, section 3). text: str. name: what an error
    calls it.

    Raises:
        TypeError: it is no str. ValueError: what is in it is no text either.
    """
    data = None
    if isinstance(text, str):
        data = text.encode() if _MICROPYTHON else text.encode("utf-8", "surrogatepass")
        if not utf8_check(data, 0, len(data), 0):
            return data
    return once("webpubsub.unusual").utf8(data, name, utf8_check)
