"""The loops over every byte: a frame to send, a frame that came, and the check of UTF-8.

`frame(buffer, payload, opcode, size, start, count)` masks (RFC 6455, section 5.3) `count` bytes
of `payload` from `start`, a multiple of 4, into `buffer` from PAYLOAD. Unless `opcode` is 0, the
header of a frame of `size` bytes goes before them, with the next key of the pool, and its start
is returned; 0 when the pool is used up. The pool is in the buffer: sixteen keys from 0, how many
of them are left at POOL.

`whole(buffer, start, end)` is `size << 2 | opcode` when at `start` there is a data message in one
frame of less than 64 KiB, complete before `end`, and ASCII if it is text; 0 for anything else.

`utf8_check(data, start, end, state)` goes on from `state` over `data[start:end]` and returns the
next state: 0 between characters, REJECT when the bytes can never become UTF-8 (RFC 3629). A
message is valid when its last state is 0. MicroPython's own decoder is lax: it takes overlong
forms, surrogates and code points above 10FFFF, all of which RFC 6455 (section 8.1) forbids.

A portable .mpy cannot hold native code, and a .mpy for the wrong architecture fails on import. So
the kernels travel as source: a board whose firmware has the emitter compiles them on import,
every other interpreter takes the portable ones.
"""

import sys

POOL = 64  # bytes of mask keys, and where their number stands
PAYLOAD = 80  # a multiple of the word size, whatever the length of the header before it
REJECT = 1


def _compiled():
    import micropython

    from .kernel_source import SOURCE

    scope = {"micropython": micropython}
    exec(SOURCE, scope)  # noqa: S102 the source is a constant of this package
    # It is not needed any more: let the collector have it.
    del sys.modules["webpubsub.kernel_source"], sys.modules["webpubsub"].kernel_source
    return scope["frame"], scope["whole"], scope["utf8_check"]


try:
    frame, whole, utf8_check = _compiled()
except Exception:  # noqa: BLE001 each port without an emitter says so in another way
    from .portable import frame, utf8_check, whole  # noqa: F401 what this module offers
