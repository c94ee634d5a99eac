"""The kernels in plain Python, for interpreters that cannot compile viper: see kernels.py."""

_CHUNK = 512
_REJECT = 1  # as in kernels.py, which imports this


def frame(buffer, payload, what, size):
    """The kernel for interpreters without an emitter: big integers, a chunk at a time.

    buffer, payload, what, size: as for the kernel of that name in kernels.py."""
    at = 80
    if what & 15:
        left = buffer[64]
        if not left:
            return 0
        buffer[64] = left = left - 1
        buffer[76:80] = buffer[4 * left : 4 * left + 4]
        first = 128 | what & 15
        if size < 126:
            head = bytes((first, 128 | size))
        elif size < 65536:
            head = bytes((first, 254)) + size.to_bytes(2, "big")
        else:
            head = bytes((first, 255)) + size.to_bytes(8, "big")
        at = 76 - len(head)
        buffer[at:76] = head
        if what & 16:
            return at
    key = bytes(buffer[76:80])
    view = memoryview(payload)[what >> 5 :]
    for done in range(0, size, _CHUNK):
        n = min(size - done, _CHUNK)
        words = (n + 3) >> 2
        masked = int.from_bytes(view[done : done + n], "little")
        masked ^= int.from_bytes(key * words, "little")
        buffer[80 + done : 80 + done + n] = masked.to_bytes(words * 4, "little")[:n]
    return at


def complete(buffer, start, end):
    """The look at the usual frame.

    buffer, start, end: as for the kernel of that name in kernels.py."""
    if start + 2 > end:
        return 0
    opcode, size = buffer[start] - 128, buffer[start + 1]
    start += 2
    if size == 126 and start + 2 <= end:
        size = buffer[start] << 8 | buffer[start + 1]
        start += 2
        if size < 126:
            return 0
    elif size > 125:
        return 0
    if not 0 < opcode < 3:
        return 0
    found = size << 2 | opcode
    return found if start + size <= end else -found


def move(buffer, target, source, count):
    """The move, a chunk at a time: a slice is a copy.

    buffer, target, source, count: as for the kernel of that name in kernels.py."""
    for at in range(0, count, _CHUNK):
        n = min(count - at, _CHUNK)
        buffer[target + at : target + at + n] = buffer[source + at : source + at + n]


def utf8_check(data, start, end, state):
    """The check for interpreters without an emitter; ASCII goes through `max` at C speed.

    data, start, end, state: as for the kernel of that name in kernels.py."""
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
