"""What the tests of the outbox share: a client that only remembers, and flash to write on.

On MicroPython the flash is a littlefs of the ESP32's parameters over a block device in memory;
on CPython it is a folder.
"""

import asyncio
import sys

import webpubsub.json_protocol as codec
from flash import BLOCK, ERASED, erase_all, format_flash, mount, unmount
from webpubsub.errors import SessionLost, TransportError

MICROPYTHON = sys.implementation.name == "micropython"


class Board:
    """Flash with an empty file system, mounted."""

    place = "/ram"

    def __init__(self, blocks=8):
        self.content = bytearray(ERASED * blocks)
        format_flash(self.content)
        self.start = bytes(self.content[: 2 * BLOCK])
        self.mount()

    def erase(self):
        """Have an empty file system again; unmounted."""
        erase_all(self.content)
        memoryview(self.content)[: 2 * BLOCK] = self.start

    def mount(self, limit=-1, torn=False):
        """Start, with power for so many writes."""
        # A new one: what an earlier life left open must never write again.
        self.flash = mount(self.content, self.place, limit, torn)

    def umount(self):
        unmount(self.place)


class Folder:
    """The same for CPython: a folder of the host."""

    def __init__(self):
        import tempfile

        self.place = tempfile.mkdtemp()

    def umount(self):
        import shutil

        shutil.rmtree(self.place)


def flash():
    """A file system to write on, mounted."""
    return Board() if MICROPYTHON else Folder()


class Session:
    def __init__(self):
        self.last = 0

    def next_ack_id(self):
        self.last += 1
        return self.last


class Client:
    """As much of a client as an Outbox sees. `sent` is what the service took.

    answers: what becomes of the next attempts: None; an exception to raise; "hang"; "cut", when
    the connection goes before it was sent; "lost", when it goes before the acknowledgement;
    "poison", when the service closes it over the message.
    """

    def __init__(self, check_power=lambda: None):
        self.state = "closed"
        self._check_power = check_power
        self.connection_id = "c1"
        self.session = Session()
        self._codec = codec
        self.outboxes = []
        self._callbacks = {}
        self.sent = []
        self.attempts = []
        self.answers = []
        self.events = []

    def subscribe(self, name, callback):
        self._callbacks.setdefault(name, []).append(callback)

    def unsubscribe(self, name, callback):
        self._callbacks[name].remove(callback)

    def emit(self, name, **fields):
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
        self.emit("recovered" if recovered else "connected")

    def disconnect(self, code=1006):
        self.state = "reconnecting"
        self.emit("disconnected", code=code)

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
        self._check_power()
        if answer == "hang":
            await asyncio.sleep(60)
        if answer == "cut":
            self.disconnect()
            raise SessionLost("not_sent")
        if answer == "poison":
            self.disconnect(1007)
            raise SessionLost("unknown")
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
