"""The kernels in plain Python, for interpreters that cannot compile viper: see kernels.py."""

_CHUNK = 512
_REJECT = 1  # as in kernels.py, which imports this


def mask_copy(target, to, source, start, count, key):
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


def utf8_check(data, start, end, state):
    """The check for interpreters without an emitter; ASCII goes through `max` at C speed."""
    if state == _REJECT or start == end:
        return state
    view = memoryview(data)[start:end]
    if state == 0 and max(view) < 0x80:
        return 0
    low, high, due = state >> 16, (state >> 8) & 255, (state >> 1) & 3
    for c in view:
        if due:
            if not low <= c <= high:
                return _REJECT
            low, high, due = 0x80, 0xBF, due - 1
        elif c >= 0x80:
            if not 0xC2 <= c <= 0xF4:
                return _REJECT
            due = 1 if c < 0xE0 else 2 if c < 0xF0 else 3
            low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
            high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    return due and low << 16 | high << 8 | due << 1
