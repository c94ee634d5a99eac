"""One logical connection: requests and their acknowledgements, sequence ids, what a close means.

No I/O and no clock: time comes in as milliseconds, and an object with `next()` as the shell's.
"""

from .compat import const
from .errors import (
    NOT_SENT,
    UNKNOWN,
    AckError,
    DeadlineError,
    SessionLost,
)

# Close codes by which the service says that what it was sent is wrong (RFC 6455, section 7.4.1):
# sending it again would only close the next connection.
_OUR_FAULT = (1002, 1003, 1007, 1009)
# The service never takes a session up again after this one.
_REFUSED = const(1008)
# Consumed messages that are worth an acknowledgement before its timer is due. The service
# buffers 1000.
_MANY = const(64)


class Request:
    """A frame that waits for its acknowledgement; without an id, for a connection to take it.

    done: called without arguments once `error` says how it ended (None: well).
    """

    def __init__(self, ack_id, frame, deadline, done):
        self.ack_id = ack_id
        self.frame = frame
        self.deadline = deadline  # ms of the caller's clock
        self.life = 0  # number of the connection that took it last; 0: no byte of it has left
        self.error = None
        self.done = done

    @property
    def outcome(self):
        """What has become of it while there is no answer."""
        return UNKNOWN if self.life else NOT_SENT

    def finish(self, error):
        """End the request."""
        self.error = error
        self.done()


class Session:
    """The state that outlives a transport connection.

    ticks_diff: function of two times in ms, that knows how the clock wraps.
    """

    def __init__(self, reliable, ticks_diff):
        self.reliable = reliable
        self.connection_id = None
        self.user_id = None
        self.token = None  # reconnection token: a secret
        self.received = 0  # largest sequence id that was taken in
        self.consumed = 0  # largest one that the consumer is done with
        self.acknowledged = 0  # largest one that the service was told
        self._ticks_diff = ticks_diff
        self._requests = []  # in the order of sending: MicroPython's dicts have none
        self._last_ack_id = 0

    # requests

    def next_ack_id(self):
        """An id that this client never used; one space for all kinds of requests."""
        self._last_ack_id += 1
        return self._last_ack_id

    def add(self, request, at=None):
        """Take a request into care, as the last one or at a place of the queue.

        Raises:
            ValueError: its id is in use.
        """
        if request.ack_id is not None:
            for other in self._requests:
                if other.ack_id == request.ack_id:
                    raise ValueError("ack_id %d is in use" % request.ack_id)
            if request.ack_id > self._last_ack_id:
                self._last_ack_id = request.ack_id
        self._requests.insert(len(self._requests) if at is None else at, request)

    def forget(self, request):
        """Drop a request whose caller has gone."""
        if request in self._requests:
            self._requests.remove(request)

    def acknowledge(self, ack_id, name, text):
        """The service answered; an unknown id is one whose caller has gone."""
        for request in self._requests:
            if request.ack_id == ack_id:
                self._requests.remove(request)
                # Duplicate: executed before a cut that took the first acknowledgement along.
                refused = name is not None and name != "Duplicate"
                request.finish(AckError(name, text) if refused else None)
                return

    @property
    def waiting(self):
        """The requests without an answer, in the order of their sending."""
        return self._requests

    def expire(self, now):
        """End the requests whose deadline has passed; ms until the next one, or None."""
        nearest = None
        for request in list(self._requests):
            left = self._ticks_diff(request.deadline, now)
            if left <= 0:
                self._requests.remove(request)
                text = "the service did not acknowledge" if request.life else "no connection"
                error = DeadlineError(text + " in time")
                error.outcome = request.outcome
                request.finish(error)
            elif nearest is None or left < nearest:
                nearest = left
        return nearest

    def _fail(self, all_of_them):
        left = []
        for request in self._requests:
            if all_of_them or request.life:
                request.finish(SessionLost(request.outcome))
            else:
                left.append(request)
        self._requests = left

    # sequence ids

    def take(self, sequence_id):
        """Say that a message was taken in."""
        if sequence_id is not None:
            self.received = sequence_id

    def consume(self, sequence_id):
        """Say that the consumer is done with everything up to a message."""
        if sequence_id is not None and sequence_id > self.consumed:
            self.consumed = sequence_id

    @property
    def ack_due(self):
        """Whether the service should be told soon what was consumed."""
        return self.consumed > self.acknowledged

    @property
    def ack_urgent(self):
        """Whether it should be told at once."""
        return self.consumed - self.acknowledged >= _MANY

    # connections

    def connected(self, connection_id, user_id, token):
        """Take in the connected frame; True when this is a new session, not a recovered one."""
        new = connection_id != self.connection_id
        self.connection_id = connection_id
        self.user_id = user_id
        if token:
            self.token = token
        if new:
            self.received = self.consumed = self.acknowledged = 0
        return new

    def closed(self, code):
        """A connection closed with `code`; True when the session can be recovered."""
        if code in _OUR_FAULT:
            self._fail(False)
        return bool(self.reliable and self.token and code != _REFUSED and code not in _OUR_FAULT)

    def lost(self):
        """The session is over: what was sent has an unknown outcome, the rest is kept."""
        self.connection_id = self.user_id = self.token = None
        self._fail(False)

    def end(self):
        """The client closes: nothing is kept."""
        self.lost()
        self._fail(True)
