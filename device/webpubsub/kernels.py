"""The two loops over every byte: masking, and the check of UTF-8.

`mask_copy(target, to, source, start, count, key)` masks (RFC 6455, section 5.3) `count` bytes of
`source` from `start` into `target` from `to`. `key` is where in `target` the four key bytes
stand; `start` must be a multiple of 4 from the start of the payload, so that the key is in phase.

`utf8_check(data, start, end, state)` goes on from `state` over `data[start:end]` and returns the
next state: 0 between characters, REJECT when the bytes can never become UTF-8 (RFC 3629). A
message is valid when its last state is 0. MicroPython's own decoder is lax: it takes overlong
forms, surrogates and code points above 10FFFF, all of which RFC 6455 (section 8.1) forbids.

A portable .mpy cannot hold native code, and a .mpy for the wrong architecture fails on import. So
the kernels travel as source: a board whose firmware has the emitter compiles them on import,
every other interpreter takes the portable ones.
"""

import sys

REJECT = 1


def _compiled():
    import micropython

    from .kernel_source import SOURCE

    scope = {"micropython": micropython}
    exec(SOURCE, scope)  # noqa: S102 the source is a constant of this package
    # It is not needed any more: let the collector have it.
    del sys.modules["webpubsub.kernel_source"], sys.modules["webpubsub"].kernel_source
    return scope["mask_copy"], scope["utf8_check"]


try:
    mask_copy, utf8_check = _compiled()
except Exception:  # noqa: BLE001 each port without an emitter says so in another way
    from .portable import mask_copy, utf8_check  # noqa: F401 what this module offers
