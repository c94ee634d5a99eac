"""Durable messages: kept until the service has them, over outages and, with a file, over resets.

    outbox = Outbox(client, "/outbox")
    await outbox.send_to_group("site-7", {"kwh": 31.4})

They are delivered in order and at least once, each with an id that lets the receiver drop what
comes twice; see docs/outbox.md.
"""

import asyncio
import json
import os
import time
from binascii import hexlify
from struct import pack, unpack

from .compat import const
from .errors import AckError, DeadlineError, WebPubSubError
from .stream import ticks_add, ticks_diff, ticks_ms

ID = "_id"  # the member of JSON content that holds the id

# A message, as it waits: number, flags, sizes of key and name (of the group or event), seconds
# until it expires (0: never), Unix time when it was taken in; then key, name and content.
_HEAD = "<IBBHII"
_HEAD_SIZE = const(16)
_TYPES = ("json", "text", "binary")  # the lowest two bits of the flags
_EVENT = const(4)
_NO_ECHO = const(8)
_MAY_GO = const(16)  # when room is needed
_LARGEST = const(0xFFFF)
# So many bytes are worth a write before its time.
_BATCH = const(2048)
_LONGEST_PAUSE = const(60)
# No clock shows less once it is set. ESP32 counts from 2000, the other ports from 1970.
_CLOCK_IS_SET = const(1700000000)
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0
# Close codes by which the service complains about what it was sent.
_TRANSIENT = "InternalServerError"
_COMPLAINTS = (1002, 1003, 1007, 1009, 1011)


class OutboxFull(WebPubSubError):
    """There is no room for the message: it is not kept."""


def _number(body):
    return unpack("<I", body[:4])[0]


def _now():
    return int(time.time()) + _EPOCH


def _with_id(content, data_type, id_):
    if data_type == "text":
        return id_ + "\n" + content
    if data_type == "binary":
        return id_.encode() + b"\n" + bytes(content)
    if data_type != "json":
        raise ValueError("data_type must be json, text or binary")
    if not isinstance(content, dict):
        return {ID: id_, "data": content}
    if ID in content:
        raise ValueError("content must not have a member " + ID)
    content = dict(content)
    content[ID] = id_
    return content


class Outbox:
    """Keeps messages, and delivers them whenever its client is connected.

    client: a WebPubSubClient. path: a file for the journal, for this Outbox alone; without one
    the messages are kept in memory only. messages, size: how many may wait, and their bytes.
    delay: seconds for which messages are collected before they are written; what the service
    acknowledges within that time never wears the flash. attempts: how often a message is tried
    at which the service fails.

    delivered: how many messages the service has acknowledged. dropped: how many were thrown
    away, by reason: full, replaced, expired, refused, damaged. For each there is an event for
    `client.subscribe`: outbox-dropped (id, reason, error); the id of what is damaged is None.

    Raises:
        OSError: the journal cannot be read.
    """

    def __init__(self, client, path=None, *, messages=256, size=16384, delay=1, attempts=10):
        self.delivered = 0
        self.dropped = {}
        self._client = client
        self._messages = messages
        self._size = size
        self._delay = delay
        self._attempts = attempts
        self._journal = None
        self._next = 1
        self._memory = []  # messages that are not in the journal, younger than those that are
        self._bytes = 0
        self._latest = {}  # by key: number and size of the message
        self._errors = {}  # by number, for those who wait until it is stored
        self._changed = asyncio.Event()
        self._flying = None  # number of the message under way
        self._tried = None, None, None  # number, connection id and ack id of the last attempt
        self._attempt = 0
        self._damage = 0  # what was told of it
        self._clock_seen = 0  # when the clock was first seen to be set
        self._runner = self._writer = None
        if path is None:
            stream = os.urandom(6)
        else:
            # Loaded only by those who use it.
            from .journal import Journal

            self._journal = journal = Journal(path, size)
            stream = journal.stream
            self._next = journal.reserved
            journal.find(self._found)
        self._stream = hexlify(stream).decode()
        client.subscribe("connected", self._start)
        client.subscribe("recovered", self._start)
        client.subscribe("disconnected", self._on_disconnected)
        client._outboxes.append(self)
        if client.state == "connected":
            self._start()

    @property
    def waiting(self):
        """How many messages wait."""
        return len(self._memory) + (self._journal.count if self._journal else 0)

    # taking in

    async def send_to_group(
        self,
        group,
        content,
        data_type=None,
        *,
        no_echo=False,
        policy="keep",
        key=None,
        expires=None,
        wait=True,
    ):
        """Publish to a group, now or later; returns the message's id once it is stored.

        group, content, data_type, no_echo: as in `WebPubSubClient.send_to_group`; the content
        gets the id. policy: "keep"; "drop-oldest", which makes room for later messages; "latest",
        which also makes way for the next one with the same `key`. expires: seconds after which
        nobody wants it any more. wait: False returns at once; `stored()` catches up.

        Raises:
            OutboxFull: there is no room, in the outbox or on the flash.
            ValueError, TypeError: wrong arguments, or a message larger than the whole outbox.
        """
        flags = _NO_ECHO if no_echo else 0
        return await self._send(flags, group, content, data_type, policy, key, expires, wait)

    async def send_event(
        self, event, content, data_type=None, *, policy="keep", key=None, expires=None, wait=True
    ):
        """Send an event to the hub's event handler; as `send_to_group`."""
        return await self._send(_EVENT, event, content, data_type, policy, key, expires, wait)

    async def _send(self, flags, name, content, data_type, policy, key, expires, wait):
        if self not in self._client._outboxes:
            raise RuntimeError("the outbox is closed")
        if policy not in ("keep", "drop-oldest", "latest") or (policy == "latest") != bool(key):
            raise ValueError("policy is keep, drop-oldest, or latest with a key")
        if expires is not None and expires <= 0:
            raise ValueError("expires is a number of seconds")
        if policy != "keep":
            flags |= _MAY_GO
        number = self._next
        id_ = self._id(number)
        body = self._encode(flags, name, content, data_type, key or "", expires or 0, id_)
        size = len(body)
        self._make_room(size, key)
        self._next += 1
        if key:
            self._replace(key, number, size)
        self._memory.append(body)
        self._bytes += size
        self._start()
        if self._journal:
            if wait:
                self._errors[number] = None
            self._write_soon()
            if wait:
                await self._until_stored(number)
        return id_

    def _id(self, number):
        return "%s-%d" % (self._stream, number)

    def _encode(self, flags, name, content, data_type, key, expires, id_):
        if data_type is None:
            data_type = (
                "text"
                if isinstance(content, str)
                else "binary"
                if isinstance(content, (bytes, bytearray, memoryview))
                else "json"
            )
        content = _with_id(content, data_type, id_)
        # What the client would refuse must not find out when it is its turn.
        self._client._codec.send_event(name, content, data_type, None)
        if data_type == "json":
            content = json.dumps(content, separators=(",", ":"))
        if data_type != "binary":
            content = content.encode()
        flags |= _TYPES.index(data_type)
        name, key = name.encode(), key.encode()
        size = _HEAD_SIZE + len(key) + len(name) + len(content)
        if len(key) > 255 or size > min(self._size, _LARGEST):
            raise ValueError("a message of %d bytes does not fit into the outbox" % size)
        head = pack(_HEAD, self._next, flags, len(key), len(name), int(expires), _now())
        return head + key + name + content

    def _make_room(self, size, key):
        journal = self._journal
        while True:
            old = self._latest.get(key)
            freed = old[1] if old and old[0] != self._flying else 0
            used = self._bytes + (journal.size if journal else 0) - freed
            if self.waiting - bool(freed) < self._messages and used + size <= self._size:
                return
            found = self._find(self._may_go)
            if not found:
                raise OutboxFull("%d messages wait, and none of them may go" % self.waiting)
            self._drop(found, "full")

    def _find(self, wanted):
        # The oldest message whose head is wanted: its number and size, or None.
        found = self._journal and self._journal.find(wanted)
        if found:
            return found
        for body in self._memory:
            if wanted(body, len(body)):
                return _number(body), len(body)
        return None

    def _may_go(self, head, size):
        return (head[4] & _MAY_GO or self._expired(head)) and _number(head) != self._flying

    def _expired(self, head):
        _, _, _, _, seconds, taken = unpack(_HEAD, head[:_HEAD_SIZE])
        now = _now()
        if taken < _CLOCK_IS_SET <= now:
            # For how long it had waited before the clock was set is not known.
            taken = self._clock_seen = self._clock_seen or now
        return seconds and now - taken >= seconds

    def _found(self, head, size):
        # A message that was in the journal at the start.
        journal = self._journal
        journal.count += 1
        journal.size += size
        number, _, key_size, _, _, _ = unpack(_HEAD, head[:_HEAD_SIZE])
        if key_size:
            key = str(head[_HEAD_SIZE : _HEAD_SIZE + key_size], "utf-8")
            if key in self._latest:
                journal.over(*self._latest[key])
            self._latest[key] = number, size

    def _replace(self, key, number, size):
        old = self._latest.get(key)
        if old and old[0] != self._flying:
            self._drop(old, "replaced")
        self._latest[key] = number, size

    def _drop(self, found, reason, error=None):
        self._over(*found)
        self._count(reason, self._id(found[0]), error)

    def _count(self, reason, id_, error):
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self._client._emit("outbox-dropped", id=id_, reason=reason, error=error)

    def _over(self, number, size, oldest=False):
        for body in self._memory:
            if _number(body) == number:
                self._memory.remove(body)
                self._bytes -= size
                break
        else:
            self._journal.over(number, size, oldest)
            self._write_soon()
        for key in list(self._latest):
            if self._latest[key][0] == number:
                del self._latest[key]
        self._tell()

    def _tell(self):
        self._changed.set()
        self._changed = asyncio.Event()

    # storing

    async def stored(self):
        """Write at once what is not in the journal. Raises OutboxFull when it cannot be."""
        error = self.save()
        if error:
            raise error

    async def _until_stored(self, number):
        try:
            while self._memory and _number(self._memory[0]) <= number:
                await self._changed.wait()
            if self._errors[number]:
                raise self._errors[number]
        finally:
            del self._errors[number]

    def _write_soon(self):
        if self._bytes >= _BATCH:
            self.save()
        elif self._writer is None:
            self._writer = asyncio.create_task(self._write_later())

    async def _write_later(self):
        await asyncio.sleep(self._delay)
        self._writer = None
        self.save()

    def save(self):
        """Write at once what is not in the journal; returns an error if messages were lost."""
        memory, journal = self._memory, self._journal
        if not journal or not (memory or journal.dirty):
            return None
        error = None
        try:
            journal.write(memory, self._next)
            memory.clear()
            self._bytes = 0
        except (OSError, MemoryError) as cause:
            for body in list(memory):
                number = _number(body)
                if number != self._flying:
                    error = OutboxFull("the journal cannot be written: %s" % cause)
                    if number in self._errors:
                        self._errors[number] = error
                    self._drop((number, len(body)), "full", error)
        self._tell()
        return error

    async def flush(self, timeout=30):
        """Wait until everything is delivered. What is not by then is in the journal.

        Raises:
            DeadlineError: messages still wait after `timeout` seconds.
            OutboxFull: and the journal cannot be written.
        """
        end = ticks_add(ticks_ms(), int(timeout * 1000))
        try:
            while self.waiting:
                left = ticks_diff(end, ticks_ms())
                if left <= 0:
                    raise DeadlineError("%d durable messages still wait" % self.waiting)
                try:
                    await asyncio.wait_for(self._changed.wait(), left / 1000)
                except asyncio.TimeoutError:
                    pass
        finally:
            await self.stored()

    async def close(self):
        """Write what is not in the journal, and stop; the messages are the next Outbox's.

        Raises:
            OutboxFull: the journal cannot be written.
        """
        client = self._client
        if self in client._outboxes:
            client._outboxes.remove(self)
            client.unsubscribe("connected", self._start)
            client.unsubscribe("recovered", self._start)
            client.unsubscribe("disconnected", self._on_disconnected)
            for task in (self._runner, self._writer):
                if task:
                    task.cancel()
        await self.stored()

    # delivering

    def _start(self, event=None):
        if self._journal and self._journal.damage > self._damage:
            self._damage = self._journal.damage
            self._count("damaged", None, None)
        if self._runner is None and self.waiting and self._client.state == "connected":
            self._runner = asyncio.create_task(self._run())

    def _on_disconnected(self, event):
        if event.code in _COMPLAINTS:
            self._attempt += 1

    async def _run(self):
        try:
            while self._client.state == "connected" and self.waiting:
                await self._deliver()
        finally:
            self._runner = self._flying = None

    def _oldest(self):
        body = self._journal and self._journal.first()
        return body or (self._memory[0] if self._memory else None)

    async def _deliver(self):
        # One attempt at the oldest message.
        try:
            body = self._oldest()
            if body is None:
                # The journal was damaged since they were counted.
                self._tell()
                return
            number = _number(body)
            found = number, len(body)
            if self._expired(body):
                self._drop(found, "expired")
                return
            if self._tried[0] != number:
                self._attempt = 0
            elif self._attempt >= self._attempts:
                self._drop(found, "refused")
                return
            if self._journal and number >= self._journal.reserved:
                # Its number could be given away again after a reset.
                self.save()
                return
            self._flying = number
            await self._transmit(number, body)
            self.delivered += 1
            self._over(*found, True)
        except (AckError, ValueError, TypeError) as error:
            # Only this one error of the service is said to pass.
            self._attempt += 1
            if getattr(error, "name", None) != _TRANSIENT or self._attempt >= self._attempts:
                self._drop(found, "refused", error)
            else:
                await asyncio.sleep(min(2**self._attempt, _LONGEST_PAUSE))
        except (OSError, WebPubSubError, MemoryError):
            # No connection, no acknowledgement, no room to read it: it is still the oldest.
            if self._client.state == "connected":
                await asyncio.sleep(1)

    async def _transmit(self, number, body):
        client = self._client
        if self._tried[:2] != (number, client.connection_id):
            self._tried = number, client.connection_id, client._session.next_ack_id()
        ack_id = self._tried[2]
        _, flags, key_size, name_size, _, _ = unpack(_HEAD, body[:_HEAD_SIZE])
        start = _HEAD_SIZE + key_size
        name = str(body[start : start + name_size], "utf-8")
        data_type = _TYPES[flags & 3]
        content = body[start + name_size :]
        if data_type != "binary":
            content = str(content, "utf-8")
            if data_type == "json":
                content = json.loads(content)
        if flags & _EVENT:
            await client.send_event(name, content, data_type, ack_id=ack_id)
        else:
            await client.send_to_group(
                name, content, data_type, no_echo=bool(flags & _NO_ECHO), ack_id=ack_id
            )
