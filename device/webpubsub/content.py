"""The content of messages: its data type, and JSON that both interpreters write and read alike."""

import json
import sys

from .memory import once

_COMPACT = (",", ":")
_PLAIN = (str, int, bool)
_MICROPYTHON = sys.implementation.name == "micropython"


def data_type_of(content):
    """The data type that content has unless its sender names another one."""
    if isinstance(content, str):
        return "text"
    return "binary" if isinstance(content, (bytes, bytearray, memoryview)) else "json"


def dumps(value):
    """JSON text without spaces, alike on both interpreters, but for the order of members.

    value: None, bool, int, float, str, list, tuple, dict, or what is derived from these.

    Raises:
        ValueError, TypeError: JSON cannot say it; the text names what, and where.
    """
    if not _MICROPYTHON:
        try:
            return json.dumps(value, ensure_ascii=False, separators=_COMPACT, allow_nan=False)
        except (TypeError, ValueError, RuntimeError):
            pass
    else:
        try:
            if _is_plain(value):
                return json.dumps(value, separators=_COMPACT)
        except RuntimeError:  # nested too deeply
            pass
    return json.dumps(once("webpubsub.unusual").plain(value), separators=_COMPACT)


def _is_plain(value):
    # MicroPython writes whatever it is given, a namedtuple as its repr; the service would close
    # the connection for it.
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str or not _is_plain(value[key]):
                return False
    elif kind is list or kind is tuple:
        for item in value:
            if not _is_plain(item):
                return False
    elif kind is float:
        return not value - value
    else:
        return kind in _PLAIN or value is None
    return True


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
