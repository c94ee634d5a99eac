"""One logical connection: requests and acknowledgements, groups, sequence ids, what a close means.

No I/O and no clock: time comes in as milliseconds.
"""

from .compat import const
from .errors import NOT_SENT, AckError, DeadlineError, SessionLost

# Close codes after which the service never takes a session up again: what it was sent is wrong,
# and would only close the next connection (RFC 6455, section 7.4.1); or it refused.
_FINAL = (1002, 1003, 1007, 1008, 1009)
# Consumed messages that are worth an acknowledgement before its timer is due. The service
# buffers 1000.
_MANY = const(64)
# A place behind all requests.
_LAST = const(1 << 29)


class Request:
    """A frame that waits for its acknowledgement; without an id, for a connection to take it.

    done: called without arguments once `error` says how it ended (None: well).
    """

    def __init__(self, ack_id, frame, deadline, done):
        self.ack_id = ack_id
        self.frame = frame
        self.deadline = deadline  # ms of the caller's clock
        self.done = done
        self.connection = 0  # number of the one that took it last; 0: no byte of it has left
        self.outcome = NOT_SENT  # what has become of it while there is no answer
        self.error = None


class Session:
    """The state that outlives a transport connection.

    ticks_diff: function of two times in ms, that knows how the clock wraps.
    """

    def __init__(self, reliable, ticks_diff):
        self._reliable = reliable
        self._ticks_diff = ticks_diff
        self._last = 0
        # Requests without an answer, in the order of their sending: MicroPython's dicts have none.
        self.waiting = []
        self.groups = []  # to be joined again by the next session
        self.lost()

    # requests

    def next_ack_id(self):
        """An id that this client never used; one space for all kinds of requests."""
        self._last += 1
        return self._last

    def add(self, request, at=_LAST):
        """Take a request into care, as the last one or at a place of the queue.

        Raises:
            ValueError: its id is in use.

        request: a Request. at: index in `waiting`, int from 0.
        """
        ack_id = request.ack_id
        if ack_id is not None:
            for other in self.waiting:
                if other.ack_id == ack_id:
                    raise ValueError("ack_id %d is in use" % ack_id)
            self._last = max(self._last, ack_id)
        self.waiting.insert(at, request)

    def finish(self, request, error=None):
        """End a request; one that has ended already stays as it is.

        request: a Request. error: an exception, or None when it was executed."""
        if request in self.waiting:
            self.waiting.remove(request)
            request.error = error
            request.done()

    def acknowledge(self, ack_id, name, text):
        """The service answered; an unknown id is one whose caller has gone.

        ack_id: int. name, text: of the error, str; a name of None or "" is success."""
        for request in self.waiting:
            if request.ack_id == ack_id:
                # Duplicate: executed before a cut that took the first acknowledgement along.
                refused = name and name != "Duplicate"
                self.finish(request, AckError(name, text) if refused else None)
                return

    def expire(self, now):
        """End the requests whose deadline has passed; ms until the next one, or None.

        now: ms of the caller's clock."""
        nearest = None
        for request in list(self.waiting):
            left = self._ticks_diff(request.deadline, now)
            if left <= 0:
                text = "the service did not acknowledge" if request.connection else "no connection"
                error = DeadlineError(text + " in time")
                error.outcome = request.outcome
                self.finish(request, error)
            elif nearest is None or left < nearest:
                nearest = left
        return nearest

    # sequence ids

    def hand(self, sequence_id, now):
        """Note that the program has a message, since `now` ms, and will say when it is done.

        sequence_id: int, or None when the protocol has none."""
        self.handed = sequence_id
        self.handed_at = now

    def release(self):
        """The program is done with the message that it was handed; returns what `consume` does."""
        sequence_id, self.handed = self.handed, None
        return self.consume(sequence_id)

    def is_due(self):
        """Whether there is something to wait for: answers, the program, an acknowledgement."""
        return self.waiting or self.handed is not None or self.consumed > self.acknowledged

    def consume(self, sequence_id):
        """Say that the consumer is done with everything up to a message.

        True when there is so much of it that the service should know at once.

        sequence_id: int, or None when the protocol has none.
        """
        if sequence_id is not None and sequence_id > self.consumed:
            self.consumed = sequence_id
        return self.consumed - self.acknowledged >= _MANY

    # connections

    def connected(self, connection_id, user_id, token):
        """Take in the connected frame. With another id than before it begins a new session.

        connection_id, user_id: str or None. token: for recoveries, a secret, or None."""
        if self.connection_id not in (None, connection_id):
            self.lost()
        self.connection_id = connection_id
        self.user_id = user_id
        if token:
            self.token = token

    def recoverable(self, code):
        """Whether the session can be taken up again after a close with `code`."""
        return self._reliable and self.token and code not in _FINAL

    def lost(self, everything=False):
        """The session is over: what was sent has an unknown outcome, the rest is kept.

        everything: the client closes, and nothing is kept.
        """
        self.connection_id = self.user_id = None
        self.token = None  # reconnection token: a secret
        self.handed = None  # sequence id of the message that the program works on
        self.received = 0  # largest sequence id that was taken in
        self.consumed = 0  # largest one that the consumer is done with
        self.acknowledged = 0  # largest one that was acknowledged to the service
        for request in list(self.waiting):
            if everything or request.connection:
                self.finish(request, SessionLost(request.outcome))
