"""Masking (RFC 6455, section 5.3): copies a payload into a buffer, XORed with the key.

`mask_copy(target, to, source, start, count, key)` masks `count` bytes of `source` from `start`
into `target` from `to`. `key` is where in `target` the four key bytes stand; `start` must be
a multiple of 4 from the start of the payload, so that the key's phase is 0.
"""

from .native import compile_viper

# Words where both sides are equally aligned (an unaligned word access traps on Xtensa).
_VIPER = """
@micropython.viper
def mask_copy(target, to: int, source, start: int, count: int, key: int):
    d = int(ptr8(target)) + to
    s = int(ptr8(source)) + start
    k = ptr8(int(ptr8(target)) + key)
    i = 0
    if (d & 3) == 0 and (s & 3) == 0:
        word = int(k[0]) | int(k[1]) << 8 | int(k[2]) << 16 | int(k[3]) << 24
        d32 = ptr32(d)
        s32 = ptr32(s)
        words = count >> 2
        while i < words:
            d32[i] = int(s32[i]) ^ word
            i += 1
        i = words << 2
    d8 = ptr8(d)
    s8 = ptr8(s)
    while i < count:
        d8[i] = int(s8[i]) ^ int(k[i & 3])
        i += 1
"""

_CHUNK = 512


def portable_mask_copy(target, to, source, start, count, key):
    """The kernel for interpreters without an emitter: big integers, a chunk at a time."""
    pad = bytes(target[key : key + 4])
    view = memoryview(source)
    done = 0
    while done < count:
        n = min(count - done, _CHUNK)
        part = view[start + done : start + done + n]
        whole = (n + 3) >> 2
        masked = int.from_bytes(part, "little") ^ int.from_bytes(pad * whole, "little")
        target[to + done : to + done + n] = masked.to_bytes(whole * 4, "little")[:n]
        done += n


mask_copy = compile_viper(_VIPER, "mask_copy") or portable_mask_copy
