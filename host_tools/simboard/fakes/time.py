# mypy: ignore-errors
"""`time` as on an ESP32: whole seconds since 2000, from a clock that power-up finds unset."""

from utime import *
from utime import gmtime as _gmtime, mktime as _mktime, time_ns as _time_ns

try:
    from _chip import clock as _tell
except ImportError:  # not the model of the chip
    _tell = None

_EPOCH = 946684800  # 2000-01-01 in the seconds of 1970
_offset = 0  # nanoseconds from the host's clock to ours


def set_offset(nanoseconds):
    global _offset
    _offset = nanoseconds
    if _tell:  # certificates are judged by it
        _tell(nanoseconds // 1000000000 + _EPOCH)


def set_time_ns(moment):
    """Set the clock to nanoseconds since 2000; returns what it is ahead of the host's by."""
    set_offset(moment - _time_ns())
    return _offset


def time_ns():
    return _time_ns() + _offset


def time():
    return (_time_ns() + _offset) // 1000000000


def gmtime(seconds=None):
    return _gmtime((time() if seconds is None else int(seconds)) + _EPOCH)[:8]


localtime = gmtime


def mktime(moment):
    return int(_mktime(moment[:8])) - _EPOCH
