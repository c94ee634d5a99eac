"""The content of messages: its data type, and JSON that both interpreters write and read alike."""

import json
import sys

_COMPACT = (",", ":")
_MICROPYTHON = sys.implementation.name == "micropython"


def data_type_of(content):
    """The data type that content has unless its sender names another one."""
    if isinstance(content, str):
        return "text"
    return "binary" if isinstance(content, (bytes, bytearray, memoryview)) else "json"


def dumps(value):
    """JSON text without spaces; raises ValueError or TypeError for what JSON cannot say.

    value: what JSON can say: None, bool, int, float, str, list, dict with str as keys."""
    if not _MICROPYTHON:
        return json.dumps(value, separators=_COMPACT, allow_nan=False)
    _check(value)
    return json.dumps(value, separators=_COMPACT)


def _check(value):
    # MicroPython writes whatever it is given; the service would close the connection for it.
    if isinstance(value, dict):
        for key in value:
            _check(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item)
    elif isinstance(value, float):
        if value - value:
            raise ValueError("nan and inf are not JSON")
    elif value is not None and not isinstance(value, (str, int, bool)):
        raise TypeError("%s is not JSON" % type(value).__name__)


def loads(data, escaped):
    """Read JSON text from bytes-like UTF-8; `escaped`: it may hold an escaped surrogate.

    Raises:
        ValueError: it is not JSON. RuntimeError: it is nested too deeply for this interpreter.

    data: bytes-like.
    """
    if not _MICROPYTHON:
        return json.loads(str(data, "utf-8"))
    return json.loads(_join_surrogates(bytes(data)) if escaped else data)


def _join_surrogates(data):
    # MicroPython's json makes two characters, and invalid UTF-8, of "\ud83d\ude00". The pair is
    # replaced by what it stands for, unless its backslash is itself escaped.
    out = []
    start = at = 0
    while True:
        at = data.find(b"\\", at)
        if at < 0:
            out.append(data[start:])
            return b"".join(out)
        size = 2
        if data[at + 1 : at + 2] == b"u":
            size = 6
            high = int(data[at + 2 : at + 6], 16)
            if 0xD800 <= high < 0xE000:
                out.append(data[start:at])
                low = 0
                if high < 0xDC00 and data[at + 6 : at + 8] == b"\\u":
                    low = int(data[at + 8 : at + 12], 16)
                if 0xDC00 <= low < 0xE000:
                    size = 12
                    out.append(chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)).encode())
                else:
                    out.append(b"\\ufffd")  # half a pair is no character
                start = at + size
        at += size
