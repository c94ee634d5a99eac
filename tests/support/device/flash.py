"""A flash chip in RAM with littlefs on it, whose power can be cut at any write.

Runs on MicroPython; `supported()` is False elsewhere.
"""

import os
import sys

BLOCK = 4096
BLOCKS = 16


# Allocated once: a heap of 256 K has room for one, when it is still empty.
_image = bytearray(BLOCK * BLOCKS)


class PowerCut(BaseException):
    """The power went. Not an Exception: nothing on a board runs on after that."""


def supported():
    try:
        import vfs

        return hasattr(vfs, "VfsLfs2")
    except ImportError:
        return False


class Chip:
    """A block device. After `writes_left` more writes the next one ends it.

    torn: whether the first half of that one still arrives.
    """

    def __init__(self):
        self.image = _image
        self.writes = 0
        self.writes_left = None
        self.torn = False
        self.dead = False

    def readblocks(self, block, buffer, offset=0):
        if self.dead:
            return
        start = block * BLOCK + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self.dead:
            return  # a file that was open at the end is collected: nothing may be allocated
        self.writes += 1
        start = block * BLOCK + offset
        if self.writes_left is None or self.writes_left:
            self.image[start : start + len(buffer)] = buffer
            if self.writes_left:
                self.writes_left -= 1
            return
        self.dead = True
        if self.torn:
            half = len(buffer) // 2
            self.image[start : start + half] = memoryview(buffer)[:half]
        raise PowerCut

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        return BLOCK if operation == 5 else 0


def format_chip():
    import vfs

    chip = Chip()
    for at in range(len(chip.image)):
        chip.image[at] = 0xFF
    vfs.VfsLfs2.mkfs(chip)
    return chip


def mount(chip, where="/chip"):
    """Mount a chip, in place of the one before."""
    import vfs

    try:
        vfs.umount(where)
    except OSError:
        pass
    # As the ESP32 port has it, so that writes are those of a board.
    vfs.mount(vfs.VfsLfs2(chip, readsize=32, progsize=32, lookahead=32), where)
    return where


def unmount(where="/chip"):
    import vfs

    vfs.umount(where)


def cut_everywhere(prepare, work, check):
    """Cut the power at every write of `work`, whole and torn; returns how many writes it has.

    prepare(folder): makes the files that are there before.
    work(folder): what is under test.
    check(folder, cut): after the power is back; cut is the number of writes that got through,
        None after a run without a cut.
    """
    chip = format_chip()
    folder = mount(chip) + "/hub"
    os.mkdir(folder)
    prepare(folder)
    # Two images would be most of a board's memory: one is kept outside.
    kept = sys.argv[2] + "/image"
    with open(kept, "wb") as file:
        file.write(chip.image)
    chip.writes = 0
    work(folder)
    total = chip.writes
    unmount()
    mount(chip)
    check(folder, None)
    for torn in (False, True):
        for cut in range(total):
            unmount()
            with open(kept, "rb") as file:
                file.readinto(chip.image)
            chip = Chip()
            mount(chip)
            chip.torn = torn
            chip.writes_left = cut
            try:
                work(folder)
            except BaseException:
                # What code does without power is nobody's affair.
                if not chip.dead:
                    raise
            assert chip.dead, f"write {cut} of {total} never came"
            # What the file system had in RAM is gone: mount what is on the chip.
            unmount()
            mount(Chip())
            check(folder, cut)
    unmount()
    return total
