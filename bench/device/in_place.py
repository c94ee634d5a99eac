"""Runs PROGRAM from the ROMFS image in the file ROM.

Its bytecode, strings and bytes stay in the image, as they stay in the flash of a board. Here the
image is in the heap: whoever starts this gives that much more.
"""

import os
import sys

import vfs


def mount():
    with open(os.getenv("ROM"), "rb") as file:
        image = bytearray(file.seek(0, 2))
        file.seek(0)
        file.readinto(image)
    vfs.mount(vfs.VfsRom(memoryview(image)), "/rom")
    sys.path.insert(0, "/rom")


mount()
__import__(os.getenv("PROGRAM"))
