"""What the measured programs share: the paths of a board, and the figures of its heaps.

Whatever this needs is there before the product is loaded, and is taken off the figures.
"""

import gc
import os
import sys

import micropython
import vfs

try:
    from esp32 import idf_heap_info
except ImportError:  # an interpreter without the heaps of the chip

    def idf_heap_info(_):
        return ()


# As in the firmware, from the start: keeps what lives together.
gc.threshold(4096)
# For the highest moment: a collection at every look, which no program does.
STRICT = os.getenv("STRICT")
_EVERY = 5 if STRICT else 250

_high = _size = 0
_low = 1 << 30


def look():
    """The bytes in use now; remembers the extremes of both heaps."""
    global _high, _low, _size
    if STRICT:
        gc.collect()
    used = gc.mem_alloc()
    size = used + gc.mem_free()
    free, largest = idf()
    _high = max(_high, used)
    _low = min(_low, free)
    _size = max(_size, size - largest)
    return used


def idf():
    """Bytes free of the IDF heap, and its largest block."""
    free = largest = 0
    for region in idf_heap_info(4):
        free += region[1]
        largest = max(largest, region[2])
    return free, largest


def collect(module):
    """A module was loaded: each of a watched build calls this at its end.

    That is when a load is highest, and nothing else can look between two waits.
    """
    look()
    print("loaded", module)


def show(what):
    """Print what there is after a collection, and the extremes since the last time."""
    global _high, _low, _size
    look()
    gc.collect()
    gc.collect()
    used = gc.mem_alloc()
    free, largest = idf()
    print("figures", what, used, _size, free, largest, _high, _low)
    _high = _size = 0
    _low = 1 << 30


async def watch(asyncio, what=None):
    """Look again and again; with a name, show as well."""
    while True:
        for _ in range(50 if STRICT else 1):
            look()
            await asyncio.sleep_ms(_EVERY)
        if what:
            show(what)
            names()


def names():
    """Print which modules are there, how many names were made, and what they take."""
    # Modules of the build are known to their package alone.
    print("there", *sys.modules, *getattr(sys.modules.get("webpubsub"), "__dict__", ()))
    micropython.qstr_info()


def begin():
    """Make this interpreter a board: its files at the root, its paths, and its bytes of boot."""
    rom = os.getenv("ROM")
    if rom:
        with open(rom, "rb") as file:
            image = file.read()
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(os.getenv("BOARD")), "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    if rom:
        # The image is in the heap here; the code stays in it, as in the flash of a board.
        vfs.mount(vfs.VfsRom(memoryview(image)), "/rom")
        sys.path[2] = "/rom/lib"
    elif rom == "":
        del sys.path[2]  # all is frozen
    gc.collect()
    show("boot")
    names()
