# mypy: ignore-errors
"""The flash file as a block device for littlefs.

Nothing here branches: MicroPython raises a pending KeyboardInterrupt at jumps, and raised in
here it would unwind littlefs in the middle of its work. On a board this is C and never unwound.
That helps on the model of the chip. MicroPython for unix without threads, as PyPI has it, raises
in the signal handler (MICROPY_ASYNC_KBD_INTR), wherever it is: then only a soft reset, which
mounts the flash anew, is as good as a board.
"""

import _control

_BLOCK = 4096


class Flash:
    def __init__(self, path, fuse, offset, size):
        self.file = open(path, "r+b")
        self.fuse = open(fuse, "r+b")
        self.offset = offset
        self.armed = bytearray(1)
        self.count = bytearray(4)
        self.writers = (self.write, self.write_counted)
        # by operation: -, init, deinit, sync, block count, block size, erase
        self.answers = (0, 0, 0, 0, size // _BLOCK, _BLOCK, 0)

    def ioctl(self, operation, argument):
        return self.answers[operation]

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(self.offset + block * _BLOCK + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self.fuse.seek(0)
        self.fuse.readinto(self.armed)
        self.writers[self.armed[0]](self.offset + block * _BLOCK + offset, buffer)

    def write(self, position, buffer):
        self.file.seek(position)
        self.file.write(buffer)

    def write_counted(self, position, buffer):
        self.fuse.seek(1)
        self.fuse.readinto(self.count)
        left = int.from_bytes(self.count, "little") - 1
        self.fuse.seek(1)
        self.fuse.write(left.to_bytes(4, "little"))
        (self.write, self.write_last)[left == 0](position, buffer)

    def write_last(self, position, buffer):
        """The power goes: nothing of the buffer arrives, or its first half."""
        self.fuse.seek(5)
        self.fuse.readinto(self.armed)
        self.write(position, memoryview(buffer)[: len(buffer) // 2 * self.armed[0]])
        _control.restart("power_cut")

    def formatted(self):
        """Whether anything was ever written to the first block."""
        self.file.seek(self.offset)
        return any(byte != 0xFF for byte in self.file.read(64))
