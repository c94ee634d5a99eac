"""What the tests of the outbox share: a client that only remembers, and flash to write on.

On MicroPython the flash is a littlefs of the ESP32's parameters over a block device in memory;
on CPython it is a folder.
"""

import asyncio
import os
import sys

import webpubsub.json_protocol as codec
from webpubsub.errors import SessionLost, TransportError
from webpubsub.outbox import Outbox

MICROPYTHON = sys.implementation.name == "micropython"
BLOCK = 4096

if MICROPYTHON:
    import vfs


class PowerCut(BaseException):
    """The power went; nobody may catch it."""


class Flash:
    """A block device in memory. Erased blocks take no room; an erase leaves 0xFF.

    limit: how many writes and erases it does before the power goes; None for any number. torn:
    whether the first half of the last write arrives, or nothing of it.
    """

    def __init__(self, blocks, content=None, limit=None, torn=False):
        self.blocks = blocks
        self.content = content if content is not None else {}
        self.limit = limit
        self.torn = torn
        self.dead = False
        self.writes = 0
        self.written = 0  # bytes
        self.erases = 0

    def copy(self):
        """Its content, for another life."""
        return {number: bytearray(block) for number, block in self.content.items()}

    def readblocks(self, number, buffer, offset=0):
        block = self.content.get(number)
        if block is None:
            for at in range(len(buffer)):
                buffer[at] = 0xFF
        else:
            buffer[:] = block[offset : offset + len(buffer)]

    def _count(self):
        # False when the power is gone; the one who learns first does not return.
        if self.dead:
            return False
        self.writes += 1
        self.dead = self.limit is not None and self.writes > self.limit
        return True

    def writeblocks(self, number, buffer, offset=0):
        if not self._count():
            return
        length = len(buffer)
        if self.dead:
            length = length // 2 if self.torn else 0
        if number not in self.content:
            self.content[number] = bytearray(b"\xff" * BLOCK)
        self.content[number][offset : offset + length] = bytes(buffer[:length])
        self.written += length
        if self.dead:
            raise PowerCut

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.blocks
        if operation == 5:
            return BLOCK
        if operation == 6:
            if not self._count():
                return 0
            if self.dead:
                if self.torn and argument in self.content:
                    self.content[argument][: BLOCK // 2] = b"\xff" * (BLOCK // 2)
                raise PowerCut
            self.content.pop(argument, None)
            self.erases += 1
        return 0


class Board:
    """Flash with a file system on it, that can be mounted again and again."""

    place = "/ram"

    def __init__(self, blocks=12):
        self.flash = Flash(blocks)
        vfs.VfsLfs2.mkfs(self.flash, readsize=32, progsize=32, lookahead=32)
        self._mounted = False

    def mount(self, flash=None):
        """Mount; afterwards `path()` is on it."""
        if flash:
            self.flash = flash
        vfs.mount(vfs.VfsLfs2(self.flash, readsize=32, progsize=32, lookahead=32), self.place)
        self._mounted = True
        return self

    def umount(self):
        if self._mounted:
            vfs.umount(self.place)
            self._mounted = False


class Folder:
    """The same for CPython: a folder of the host."""

    def __init__(self):
        import tempfile

        self.place = tempfile.mkdtemp()

    def mount(self):
        return self

    def umount(self):
        import shutil

        shutil.rmtree(self.place)


def flash():
    """A file system to write on, mounted."""
    return (Board() if MICROPYTHON else Folder()).mount()


class Session:
    def __init__(self):
        self.last = 0

    def next_ack_id(self):
        self.last += 1
        return self.last


class Client:
    """As much of a client as an Outbox sees. `sent` is what the service took.

    answers: what becomes of the next attempts: None, an exception to raise, or "hang".
    """

    def __init__(self, state="closed"):
        self.state = state
        self.connection_id = "c1"
        self._session = Session()
        self._codec = codec
        self._outboxes = []
        self._callbacks = {}
        self.sent = []
        self.attempts = []
        self.answers = []
        self.events = []

    def subscribe(self, name, callback):
        self._callbacks.setdefault(name, []).append(callback)

    def unsubscribe(self, name, callback):
        self._callbacks[name].remove(callback)

    def _emit(self, name, **fields):
        self.events.append((name, fields))
        event = type("Event", (), fields)
        for callback in self._callbacks.get(name, ()):
            callback(event)

    def connect(self, connection_id=None):
        """Be connected, in a new session when an id is given."""
        self.state = "connected"
        recovered = connection_id is None
        if connection_id:
            self.connection_id = connection_id
        self._emit("recovered" if recovered else "connected")

    def disconnect(self, code=1006):
        self.state = "reconnecting"
        self._emit("disconnected", code=code)

    async def send_to_group(self, group, content, data_type=None, *, no_echo=False, ack_id=None):
        await self._send(("group", group, content, data_type, no_echo), ack_id)

    async def send_event(self, event, content, data_type=None, *, ack_id=None):
        await self._send(("event", event, content, data_type, False), ack_id)

    async def _send(self, message, ack_id):
        if self.state != "connected":
            raise TransportError("the client is not open")
        self.attempts.append((self.connection_id, ack_id, message))
        answer = self.answers.pop(0) if self.answers else None
        await asyncio.sleep(0)
        if answer == "hang":
            await asyncio.sleep(60)
        if answer == "lost":
            self.sent.append(message)
            self.disconnect()
            raise SessionLost("unknown")
        if answer is not None:
            raise answer
        self.sent.append(message)

    @property
    def contents(self):
        """What was sent, without the ids."""
        return [plain(message[2]) for message in self.sent]

    def drops(self):
        """Reasons of the messages that were thrown away, in order."""
        return [fields["reason"] for name, fields in self.events if name == "outbox-dropped"]


def plain(content):
    """A content without its id."""
    if isinstance(content, dict):
        rest = {key: value for key, value in content.items() if key != "_id"}
        return rest["data"] if list(rest) == ["data"] else rest
    separator = "\n" if isinstance(content, str) else b"\n"
    return content[content.index(separator) + 1 :]


def identity(content):
    """The id in a content."""
    if isinstance(content, dict):
        return content["_id"]
    if isinstance(content, str):
        return content[: content.index("\n")]
    return content[: content.index(b"\n")].decode()


async def settle(turns=20):
    """Let everything happen that needs no time."""
    for _ in range(turns):
        await asyncio.sleep(0)


def run(coroutine):
    """asyncio.run, each time with a loop of its own."""
    if MICROPYTHON:
        asyncio.new_event_loop()
    return asyncio.run(asyncio.wait_for(coroutine, 20))
