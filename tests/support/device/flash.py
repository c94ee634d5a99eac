"""Flash for littlefs, in memory, whose power can go at any write; on MicroPython."""

import sys

BLOCK = 4096
ERASED = b"\xff" * BLOCK
_ERASED = memoryview(ERASED)
# As the ESP32 port mounts it, so that writes are those of a board.
_SIZES = {"readsize": 32, "progsize": 32, "lookahead": 32}

if sys.implementation.name == "micropython":
    import vfs


def supported():
    """Whether this interpreter has littlefs."""
    return sys.implementation.name == "micropython" and hasattr(vfs, "VfsLfs2")


class PowerCut(BaseException):
    """The power went. Not an Exception: nothing on a board runs on after that."""


class Flash:
    """A block device in memory, that counts what is done to it. An erased byte is 0xFF.

    All memory is taken at the start: littlefs must not be unwound by a MemoryError in here.
    limit: after how many writes and erases the power goes; never when it is negative. torn:
    whether the first half of the next one is done then, or nothing of it.
    """

    def __init__(self, content, limit=-1, torn=False):
        self.content = content
        self.view = memoryview(content)
        self.limit = limit
        self.torn = torn
        self.dead = False
        self.writes = self.written = self.erases = 0

    def readblocks(self, number, buffer, offset=0):
        at = number * BLOCK + offset
        buffer[:] = self.view[at : at + len(buffer)]

    def _count(self):
        # False without power. The operation in which it goes finds `dead` set.
        if self.dead:
            return False
        self.dead = self.writes == self.limit
        self.writes += 1
        return True

    def writeblocks(self, number, buffer, offset=0):
        if not self._count():
            return
        length = len(buffer)
        if self.dead:
            length = length // 2 if self.torn else 0
        at = number * BLOCK + offset
        self.view[at : at + length] = buffer[:length]
        self.written += length
        if self.dead:
            raise PowerCut

    def erase(self, number):
        if not self._count():
            return
        length = BLOCK
        if self.dead:
            length = length // 2 if self.torn else 0
        at = number * BLOCK
        self.view[at : at + length] = _ERASED[:length]
        self.erases += 1
        if self.dead:
            raise PowerCut

    def ioctl(self, operation, argument):
        if operation == 6:
            self.erase(argument)
        return (0, 0, 0, 0, len(self.content) // BLOCK, BLOCK, 0)[operation]


def erase_all(content):
    """Let all of a flash's content be erased."""
    view = memoryview(content)
    for at in range(0, len(content), BLOCK):
        view[at : at + BLOCK] = ERASED


def format_flash(content):
    """Put an empty file system onto a flash."""
    vfs.VfsLfs2.mkfs(Flash(content), **_SIZES)


def mount(content, where, limit=-1, torn=False):
    """Mount a flash, with power for so many writes; the new Flash.

    What a file that is still open wrote after that goes to the flash of before, which has no
    power.
    """
    flash = Flash(content, limit, torn)
    vfs.mount(vfs.VfsLfs2(flash, **_SIZES), where)
    return flash


def unmount(where):
    """Unmount it."""
    vfs.umount(where)
