"""Durable messages: kept until the service has them, over outages and, with a file, over resets.

    outbox = Outbox(client, "/outbox")
    await outbox.send_to_group("site-7", {"kwh": 31.4})

They are delivered in order and at least once, each with an id that lets the receiver drop what
comes twice; see docs/outbox.md.
"""

import asyncio
from struct import pack, unpack_from

from . import clock
from .compat import const
from .content import data_type_of, dumps, loads
from .errors import AckError, DeadlineError, WebPubSubError
from .journal import Journal, number_of
from .kernels import utf8
from .memory import once

ID = "_id"  # the member of JSON content that holds the id

# A message, as it waits: number, flags, sizes of key and name (of the group or event), seconds
# until it expires (0: never), Unix time when it was taken in; then key, name and content.
_HEAD = const("<IBBHII")
_HEAD_SIZE = const(16)
_TYPES = const(("json", "text", "binary"))  # the lowest two bits of the flags
_EVENT = const(4)
_NO_ECHO = const(8)
_MAY_GO = const(16)  # when room is needed
_LARGEST = const(0xFFFF)
# The seconds of an expiry have 32 bits.
_FOREVER = const(0xFFFFFFFF)
# So many bytes are worth a write before its time.
_BATCH = const(2048)
_LONGEST_PAUSE = const(60)
# Events of the client at which there may be something to do.
_EVENTS = const(("connected", "recovered", "disconnected"))
# Close codes by which the service complains about what it was sent.
_COMPLAINTS = const((1002, 1003, 1007, 1009, 1011))


class OutboxFull(WebPubSubError):
    """There is no room for the message: it is not kept."""


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
        OSError: the journal cannot be read. TypeError, ValueError: wrong arguments, such as a
            path in a folder that does not exist.
    """

    def __init__(self, client, path=None, *, messages=256, size=16384, delay=1, attempts=10):
        once("webpubsub.arguments").check("outbox", client, path, messages, size, delay, attempts)
        self.delivered = 0
        self.dropped = {}
        self._client = client
        self._messages = messages
        self._delay = delay
        self._attempts = attempts
        self._journal = journal = Journal(path, size)
        self._stream = journal.stream.hex() + "-"
        self._latest = {}  # by key: number and size of the message
        self._errors = {}  # by number, for those who wait until it is stored
        self._changed = asyncio.Event()  # another one each time: it wakes who waits
        self._flying = None  # number of the message under way
        self._tried = None, None, None  # number, connection id and ack id of the last attempt
        self._attempt = 0
        self._clock_seen = 0  # when the clock was first seen to be set
        self._runner = self._writer = None
        journal.find(self._found)
        client.outboxes.append(self)
        for name in _EVENTS:
            client.subscribe(name, self._start)
        if client.state == "connected":
            self._start()

    @property
    def waiting(self):
        """How many messages wait."""
        return self._journal.count

    # taking in

    async def send_to_group(self, group, content, data_type=None, *, no_echo=False, **options):
        """Publish to a group, now or later; returns the message's id once it is stored.

        group, content, data_type, no_echo: as in `WebPubSubClient.send_to_group`; the content
        gets the id. options, by name:

        policy: "keep"; "drop-oldest", which makes room for later messages; "latest", which also
        makes way for the next one with the same `key`, a str. expires: seconds after which nobody
        wants it any more. wait: False returns at once; `stored()` catches up.

        Raises:
            OutboxFull: there is no room, in the outbox or on the flash.
            ValueError, TypeError: wrong arguments, or a message larger than the whole outbox.
        """
        return await self._send(_NO_ECHO if no_echo else 0, group, content, data_type, **options)

    async def send_event(self, event, content, data_type=None, **options):
        """Send an event to the hub's event handler; as `send_to_group`.

        event: its name, a str. content, data_type: as there."""
        return await self._send(_EVENT, event, content, data_type, **options)

    async def _send(
        self, flags, name, content, data_type, policy="keep", key=None, expires=None, wait=True
    ):
        if self not in self._client.outboxes:
            raise RuntimeError("the outbox is closed")
        if policy not in ("keep", "drop-oldest", "latest") or (policy == "latest") != bool(key):
            raise ValueError("policy is keep, drop-oldest, or latest with a key")
        seconds = 0
        if expires is not None:
            if not isinstance(expires, (int, float)):
                raise TypeError("expires must be a number")
            # As it fits into the record; nan is not above 0 either.
            if not 0 < expires < _FOREVER:
                raise ValueError("expires must be above 0 and below %d seconds" % _FOREVER)
            seconds = -int(-expires // 1)
        if policy != "keep":
            flags |= _MAY_GO
        journal = self._journal
        number = journal.next
        id_ = self._stream + str(number)
        # With the id, as bytes.
        if data_type is None:
            data_type = data_type_of(content)
        if data_type == "text":
            content = (id_ + "\n").encode() + utf8(content, "content")
        elif data_type == "binary":
            if isinstance(content, str):
                raise TypeError("content of data_type binary must be bytes-like")
            content = (id_ + "\n").encode() + bytes(memoryview(content))
        elif data_type != "json":
            raise ValueError("data_type must be json, text or binary")
        else:
            if not isinstance(content, dict):
                content = {"data": content}
            if ID in content:
                raise ValueError("content must not have a member " + ID)
            content = utf8(dumps(dict(content, _id=id_)), "content")
        name = utf8(name, "event" if flags & _EVENT else "group")
        key = utf8(key or "", "key")
        size = _HEAD_SIZE + len(key) + len(name) + len(content)
        if len(key) > 255 or size > min(journal.limit, _LARGEST):
            raise ValueError("a message of %d bytes does not fit into the outbox" % size)
        flags |= _TYPES.index(data_type)
        body = pack(_HEAD, number, flags, len(key), len(name), seconds, clock.unix_time())
        body += key + name + content
        # Room for it, that of the one before it with the same key included.
        while True:
            old = self._latest.get(key)
            freed = old[1] if old and old[0] != self._flying else 0
            fits = journal.size - freed + size <= journal.limit
            if fits and journal.count - bool(freed) < self._messages:
                break
            found = journal.find(self._may_go)
            if not found:
                raise OutboxFull("%d messages wait, and none of them may go" % journal.count)
            self._over("full", number_of(found), len(found))
        if freed:
            self._over("replaced", *old)
        if key:
            self._latest[key] = number, size
        journal.next += 1
        journal.memory.append(body)
        journal.count += 1
        journal.size += size
        self._start()
        if wait:
            self._errors[number] = None
        if sum(map(len, journal.memory)) >= _BATCH:
            self.save()
        self._write_soon()
        try:
            while wait and journal.path and body in journal.memory:
                await self._changed.wait()
        finally:
            error = self._errors.pop(number, None)
        if error:
            raise error
        return id_

    def _may_go(self, head, size):
        return (head[4] & _MAY_GO or self._expired(head)) and number_of(head) != self._flying

    def _expired(self, head):
        seconds, taken = unpack_from("<II", head, 8)
        now = clock.unix_time()
        if taken < clock.floor <= now:
            # For how long it had waited before the clock was set is not known.
            taken = self._clock_seen = self._clock_seen or now
        return seconds and now - taken >= seconds

    def _found(self, head, size):
        # A message that was in the journal at the start.
        journal = self._journal
        journal.count += 1
        journal.size += size
        key = head[_HEAD_SIZE : _HEAD_SIZE + head[5]]
        if key:
            if key in self._latest:
                journal.over(*self._latest[key])
            self._latest[key] = number_of(head), size

    def _over(self, reason, number=0, size=0, error=None):
        # A message is dropped for a reason, or delivered. 0: it was damaged, whichever it was.
        id_ = None
        if number:
            id_ = self._stream + str(number)
            self._journal.over(number, size)
            for key in list(self._latest):
                if self._latest[key][0] == number:
                    del self._latest[key]
            self._write_soon()
            self._tell()
        if reason:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1
            self._client.emit("outbox-dropped", id=id_, reason=reason, error=error)
        else:
            self.delivered += 1

    def _tell(self):
        # CPython's belong to one event loop each.
        self._changed.set()
        self._changed = asyncio.Event()

    # storing

    async def stored(self):
        """Write at once what is not in the journal. Raises OutboxFull when it cannot be."""
        error = self.save()
        if error:
            raise error

    def _write_soon(self):
        if self._journal.path and self._writer is None:
            self._writer = asyncio.create_task(self._write_later())

    async def _write_later(self):
        await asyncio.sleep(self._delay)
        self._writer = None
        self.save()

    def save(self):
        """Write at once what is not in the journal; returns an error if messages were lost."""
        journal = self._journal
        error = None
        try:
            journal.write()
        except (OSError, MemoryError) as cause:
            for body in list(journal.memory):
                number = number_of(body)
                if number != self._flying:
                    error = OutboxFull("the journal cannot be written: %s" % cause)
                    if number in self._errors:
                        self._errors[number] = error
                    self._over("full", number, len(body), error)
        self._tell()
        return error

    async def flush(self, timeout=30):
        """Wait until everything is delivered. What is not by then is in the journal.

        Raises:
            DeadlineError: messages still wait after `timeout` seconds.
            OutboxFull: and the journal cannot be written.
        """
        once("webpubsub.arguments").check("wait", timeout)
        try:
            await asyncio.wait_for(self._until_empty(), timeout)
        except asyncio.TimeoutError:
            if self.waiting:
                raise DeadlineError("%d durable messages still wait" % self.waiting)
        finally:
            await self.stored()

    async def _until_empty(self):
        while self._journal.count:
            await self._changed.wait()

    async def close(self):
        """Write what is not in the journal, and stop; the messages are the next Outbox's.

        Raises:
            OutboxFull: the journal cannot be written.
        """
        client = self._client
        if self in client.outboxes:
            client.outboxes.remove(self)
            for name in _EVENTS:
                client.unsubscribe(name, self._start)
            for task in (self._runner, self._writer):
                if task:
                    task.cancel()
        await self.stored()

    # delivering

    def _start(self, event=None):
        journal = self._journal
        if getattr(event, "code", None) in _COMPLAINTS:
            self._attempt += 1
        if journal.damage:
            journal.damage = 0
            self._over("damaged")
        if self._runner is None and journal.count and self._client.state == "connected":
            self._runner = asyncio.create_task(self._run())

    async def _run(self):
        # Delivers, one message after the other, for as long as there is a connection.
        client, journal = self._client, self._journal
        try:
            while client.state == "connected" and journal.count:
                try:
                    body = journal.find()
                    if body is None:
                        continue
                    number, flags, key_size, name_size, _, _ = unpack_from(_HEAD, body)
                    size = len(body)
                    tried = self._tried
                    if tried[0] != number:
                        self._attempt = 0
                    if self._expired(body):
                        self._over("expired", number, size)
                        continue
                    if self._attempt >= self._attempts:
                        self._over("refused", number, size)
                        continue
                    if journal.path and number >= journal.reserved:
                        # Its number could be given away again after a reset.
                        self.save()
                        continue
                    self._flying = number
                    if tried[:2] != (number, client.connection_id):
                        tried = number, client.connection_id, client.session.next_ack_id()
                        self._tried = tried
                    end = _HEAD_SIZE + key_size + name_size
                    name = str(body[_HEAD_SIZE + key_size : end], "utf-8")
                    data_type = _TYPES[flags & 3]
                    content = body[end:]
                    if data_type == "json":
                        content = loads(content, False)
                    elif data_type == "text":
                        content = str(content, "utf-8")
                    options = {"ack_id": tried[2]}
                    send = client.send_event
                    if not flags & _EVENT:
                        send = client.send_to_group
                        options["no_echo"] = bool(flags & _NO_ECHO)
                    await send(name, content, data_type, **options)
                    self._over(None, number, size)
                except (AckError, ValueError, TypeError) as error:
                    # Only this one error of the service is said to pass.
                    self._attempt += 1
                    passing = getattr(error, "name", None) == "InternalServerError"
                    if not passing or self._attempt >= self._attempts:
                        self._over("refused", number, size, error)
                    else:
                        await asyncio.sleep(min(2**self._attempt, _LONGEST_PAUSE))
                except (OSError, WebPubSubError, MemoryError):
                    # No connection, no acknowledgement, no room to read it: still the oldest.
                    if client.state == "connected":
                        await asyncio.sleep(1)
        finally:
            self._runner = self._flying = None
            self._tell()
