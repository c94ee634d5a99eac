"""Incremental UTF-8 check (RFC 3629): MicroPython's own decoder is lax.

It takes overlong forms, surrogates and code points above 10FFFF, all of which RFC 6455
(section 8.1) tells an endpoint to refuse.

`utf8_check(data, start, end, state)` goes on from `state` over `data[start:end]` and returns the
next state: 0 between characters, REJECT when the bytes can never become UTF-8. A message is
valid when its last state is 0.
"""

from .native import compile_viper

REJECT = 1

# The state in mid-character: how many continuation bytes are due, and the range that the next one
# must be in (only the first one's can differ from 80..BF), as low << 16 | high << 8 | due << 1.
_VIPER = """
@micropython.viper
def utf8_check(data, start: int, end: int, state: int) -> int:
    p = int(ptr8(data))
    d = ptr8(p)
    i = start
    if state == 1:
        return 1
    low = state >> 16
    high = (state >> 8) & 255
    due = (state >> 1) & 3
    while i < end:
        if due == 0:
            while ((p + i) & 3) != 0 and i < end and int(d[i]) < 128:
                i += 1
            if ((p + i) & 3) == 0:
                while i + 4 <= end:
                    w = ptr32(p + i)
                    if (int(w[0]) & int(0x80808080)) != 0:
                        break
                    i += 4
            if i >= end:
                break
            c = int(d[i])
            i += 1
            if c < 0x80:
                continue
            low = 0x80
            high = 0xBF
            if c < 0xC2 or c > 0xF4:
                return 1
            if c < 0xE0:
                due = 1
            elif c < 0xF0:
                due = 2
                if c == 0xE0:
                    low = 0xA0
                elif c == 0xED:
                    high = 0x9F
            else:
                due = 3
                if c == 0xF0:
                    low = 0x90
                elif c == 0xF4:
                    high = 0x8F
        else:
            c = int(d[i])
            i += 1
            if c < low or c > high:
                return 1
            low = 0x80
            high = 0xBF
            due -= 1
    if due == 0:
        return 0
    return low << 16 | high << 8 | due << 1
"""


def portable_utf8_check(data, start, end, state):
    """The check for interpreters without an emitter; ASCII goes through `max` at C speed."""
    if state == REJECT or start == end:
        return state
    view = memoryview(data)[start:end]
    if state == 0 and max(view) < 0x80:
        return 0
    low, high, due = state >> 16, (state >> 8) & 255, (state >> 1) & 3
    for c in view:
        if due:
            if not low <= c <= high:
                return REJECT
            low, high, due = 0x80, 0xBF, due - 1
        elif c >= 0x80:
            if not 0xC2 <= c <= 0xF4:
                return REJECT
            due = 1 if c < 0xE0 else 2 if c < 0xF0 else 3
            low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
            high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    return due and low << 16 | high << 8 | due << 1


utf8_check = compile_viper(_VIPER, "utf8_check") or portable_utf8_check
