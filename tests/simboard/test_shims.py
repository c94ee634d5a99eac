"""Device code's own imports on CPython; in a process of its own, for they are for ever."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, time
import simboard.shims as shims
before = set(sys.modules)
added = shims.install()
assert shims.install() == []

import ubinascii, ujson, uasyncio, uos, utime, ustruct, uhashlib, usocket, urandom, uselect
import micropython, machine, network, esp32
from micropython import const
from time import ticks_add, ticks_diff, ticks_ms, sleep_ms

X = const(7)

@micropython.native
def double(x):
    return 2 * x

@micropython.viper
def triple(x: int) -> int:
    return 3 * x

assert (X, double(2), triple(2)) == (7, 4, 6)
assert ubinascii.hexlify(b"a") == b"61"
assert ticks_diff(ticks_add(2**30 - 1, 5), 2**30 - 1) == 5
assert ticks_diff(0, 1) == -1

w = network.WLAN(network.STA_IF)
try:
    w.connect("a", "b")
except OSError as error:
    assert "Not Started" in str(error)
w.active(True); w.connect("a", "b")
assert w.isconnected() and w.status() == network.STAT_GOT_IP

nvs = esp32.NVS("x"); nvs.set_i32("n", 5); nvs.set_blob("b", b"123"); nvs.commit()
buffer = bytearray(4)
assert esp32.NVS("x").get_i32("n") == 5
assert nvs.get_blob("b", buffer) == 3 and buffer[:3] == b"123"
for missing, arguments in (
    (nvs.get_i32, ("b",)), (nvs.get_blob, ("z", buffer)), (nvs.erase_key, ("z",))
):
    try:
        missing(*arguments)
    except OSError as error:
        assert error.errno == -4354
    else:
        raise AssertionError

machine.RTC().datetime((2030, 1, 2, 0, 3, 4, 5, 0))
assert machine.RTC().datetime()[:6] == (2030, 1, 2, 2, 3, 4)
assert machine.Pin(2, machine.Pin.OUT, value=1)() == 1
assert len(machine.unique_id()) == 6
try:
    machine.reset()
except SystemExit as error:
    assert "machine.reset" in str(error)

shims.uninstall()
assert not {"machine", "micropython", "ubinascii"} & set(sys.modules)
assert not hasattr(time, "ticks_ms")
print(len(added))
"""


def test_device_code_imports_on_cpython() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 20
