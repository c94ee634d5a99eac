# mypy: ignore-errors
"""`os` as on an ESP32: with `uname`, without the host."""

from uos import *
from sys import implementation
from collections import namedtuple

del VfsPosix, getenv, putenv, system, unsetenv

_release = ".".join(str(part) for part in implementation[1][:3])
_uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))(
    "esp32", "esp32", _release, _release, "Simulated board with ESP32"
)


def uname():
    return _uname


def sync():
    pass
