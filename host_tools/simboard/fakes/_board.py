# mypy: ignore-errors
"""The first thing a simulated board runs: what `_boot.py` and the C code do on an ESP32.

It loads the fake modules from the host, takes the host's file system away, mounts the flash,
and runs boot.py and main.py. It leaves no names behind where device code looks.
"""

import gc
import micropython

micropython.kbd_intr(-1)  # Ctrl-C waits until boot.py runs
gc.collect()
_empty = gc.mem_alloc()

import sys

try:
    import _chip
except ImportError:
    _chip = None
import _control
import _sys
import _vfs
import esp32
import machine
import network
import os
import socket
import time
import vfs
from flashdev import Flash

for name in ("machine", "os", "socket", "time"):
    sys.modules["u" + name] = sys.modules[name]
sys.modules["sys"] = _sys
sys.modules["vfs"] = _vfs
for name in ("_board", "_control", "_sys", "_vfs", "flashdev"):
    del sys.modules[name]
del name

BOOT_PY = """\
# This file is executed on every boot (including wake-boot from deepsleep)
"""


def run(names):
    """Bring the board up as far as the REPL. `names` are the globals of user code."""
    gc.collect()
    cost = gc.mem_alloc() - _empty
    if _chip:
        _chip.fakes(cost)
    info = _control.call("hello", cost)
    sys.path[:] = ["", ".frozen", "/lib"]
    del sys.argv[:]
    names["__name__"] = "__main__"
    names.pop("__file__", None)
    time.set_offset(info["clock"])
    device = Flash(info["flash"], info["fuse"], info["offset"], info["size"])
    vfs.umount("/")
    if not device.formatted():
        set_up(device)
    while True:
        try:
            vfs.mount(vfs.VfsLfs2(device), "/")
            break
        except OSError:
            print("The filesystem appears to be corrupted. If you had important data there,")
            print("back up the flash file; then erase the flash, and it is formatted again.")
            time.sleep(3)
    os.chdir("/")
    gc.collect()
    if _control.call("boot"):  # Ctrl-C came before there was anything to interrupt
        sys.print_exception(KeyboardInterrupt())
    elif start("boot.py", names) and not info["raw"]:
        start("main.py", names)
    micropython.kbd_intr(-1)
    gc.collect()
    _control.call("repl")


def set_up(device):
    """Format an erased flash, and leave a boot.py, as `inisetup` does."""
    print("Performing initial setup")
    vfs.VfsLfs2.mkfs(device)
    vfs.mount(vfs.VfsLfs2(device), "/")
    with open("/boot.py", "w") as file:
        file.write(BOOT_PY)
    vfs.umount("/")


def start(script, names):
    """Run a script if there is one; whether it ended without an exception."""
    try:
        os.stat(script)
    except OSError:
        return True
    try:
        micropython.kbd_intr(3)
        execfile(script, names)
        micropython.kbd_intr(-1)
        return True
    except SystemExit:
        micropython.kbd_intr(-1)
        _control.restart("exit")
    except BaseException as error:
        micropython.kbd_intr(-1)
        sys.print_exception(error)
    return False
