"""Content that is not as usual: made such as JSON and UTF-8 can say it, or refused with its place.

Plain functions without state, for `once`: nearly all content needs none of them.
"""

from collections import OrderedDict


def plain(value):
    """A value as JSON has it: subclasses of tuple, list and dict as what they derive from.

    Keys that are no str are written as CPython's json does it.

    Raises:
        TypeError, ValueError: JSON cannot say it; the text names what, and where it is.
    """
    path = []
    try:
        return _plain(value, path)
    except RuntimeError:
        raise ValueError("content is nested too deeply, or holds itself")


def _plain(value, path):
    # path: the keys and indices that lead to the value.
    if value is None or type(value) is bool:
        return value
    if isinstance(value, str):
        return value[:]
    if isinstance(value, int):
        return value + 0
    if isinstance(value, float):
        if value - value:
            raise ValueError("%s is %s: JSON has no nan and inf" % (_place(path), value))
        return value
    if isinstance(value, dict):
        # In its order: MicroPython's dict has none.
        copy = {} if type(value) is dict else OrderedDict()
        for key in value:
            path.append(key)
            copy[_key(key, path)] = _plain(value[key], path)
            path.pop()
        return copy
    if isinstance(value, (list, tuple)):
        copy = []
        for item in value:
            path.append(len(copy))
            copy.append(_plain(item, path))
            path.pop()
        return copy
    raise TypeError("%s is a %s: JSON has none" % (_place(path), type(value).__name__))


def _place(path):
    return "content" + "".join(["[%r]" % (key,) for key in path])


def _key(key, path):
    if isinstance(key, (bool, type(None))):
        return {None: "null", True: "true", False: "false"}[key]
    if not isinstance(key, (str, int, float)):
        text = "%s: a key of JSON is a str, not a %s"
        raise TypeError(text % (_place(path), type(key).__name__))
    return str(_plain(key, path))


def utf8(data, name, utf8_check):
    """UTF-8 of bytes with surrogates: of a pair its character, of half a pair U+FFFD.

    data: bytes; None for what is no str. name: what an error calls it. utf8_check: the kernel. So
    do `loads` with what comes in, and browsers with what they send.

    Raises:
        TypeError: it is no str. ValueError: there is more that is no UTF-8.
    """
    if data is None:
        raise TypeError(name + " must be a str")
    data = _mended(data)
    if utf8_check(data, 0, len(data), 0):
        raise ValueError(name + " is not UTF-8")
    return data


def _mended(data):
    out = []
    start = at = 0
    while True:
        at = data.find(b"\xed", at)
        if at < 0:
            out.append(data[start:])
            return b"".join(out)
        high = _surrogate(data, at)
        at += 3
        if high >= 0:
            out.append(data[start : at - 3])
            low = _surrogate(data, at)
            if high < 0x400 <= low:
                out.append(chr(0x10000 + (high << 10) + (low & 0x3FF)).encode())
                at += 3
            else:
                out.append(b"\xef\xbf\xbd")
            start = at


def _surrogate(data, at):
    # The lower 11 bits of the surrogate that begins there; below zero when none does.
    part = data[at : at + 3]
    if len(part) < 3 or part[0] != 0xED or part[1] < 0xA0:
        return -1
    return (part[1] & 31) << 6 | part[2] & 63
