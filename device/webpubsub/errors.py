"""The errors of this package.

Transport errors are OSErrors, as everywhere in MicroPython, which has no ConnectionError:

OSError
 +-- TransportError           the connection is gone or was never there
      +-- OutOfMemory         the board has no memory for it, in Python's heap or below it
      +-- HandshakeError      the server answered the upgrade with something else (.status)
      +-- ConnectionClosed    closed in mid-work (.code, .reason)
      +-- DeadlineError       a wait took longer than it may

WebPubSubError
 +-- ProtocolError            the peer broke the protocol (.code: the close code it got)
 +-- AckError                 the service refused a request (.name, .outcome)
 +-- SessionLost              the session ended before the acknowledgement (.outcome)
 +-- Stopped                  the client gave up (.reason)

`.outcome` of a failed send is one of NOT_SENT, REFUSED and UNKNOWN; the CancelledError of one that
was cancelled has it, too.
"""

NOT_SENT = "not_sent"  # never left the device
REFUSED = "refused"  # the service said no: it was not executed
UNKNOWN = "unknown"  # sent, and the session was lost before the acknowledgement


class TransportError(OSError):
    """The connection failed; `.outcome` tells what became of the send that met it."""

    outcome = NOT_SENT


class OutOfMemory(TransportError):
    """There was no memory: in Python's heap, or in that of the ESP-IDF for sockets and TLS."""


class HandshakeError(TransportError):
    """The server did not switch to the WebSocket protocol (RFC 6455, section 4.1).

    status: HTTP status of the answer, 101 when the answer itself was wrong.
    reason: what the server wrote, shortened.
    retry_after: seconds the server asked to wait (RFC 9110, section 10.2.3), or None.
    """

    def __init__(self, text, status=0, reason="", retry_after=None):
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class ConnectionClosed(TransportError):
    """The connection closed while it was needed (RFC 6455, section 7.1.5).

    code: close code, 1006 when there was no Close frame. reason: its text.
    """

    def __init__(self, code=1006, reason=""):
        super().__init__("connection closed (%d%s)" % (code, reason and " " + reason))
        self.code = code
        self.reason = reason


class DeadlineError(TransportError):
    """The peer did not answer in time."""


class WebPubSubError(Exception):
    """Anything that is not the transport's fault."""


class ProtocolError(WebPubSubError):
    """The peer broke RFC 6455 or the subprotocol; code is the close code that it was sent."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class AckError(WebPubSubError):
    """The service answered a request with an error; `.name` is its name, such as Forbidden."""

    outcome = REFUSED

    def __init__(self, name, text):
        super().__init__("%s: %s" % (name, text) if text else name)
        self.name = name


class SessionLost(WebPubSubError):
    """The session ended before the service acknowledged; `.outcome` is NOT_SENT or UNKNOWN."""

    def __init__(self, outcome):
        super().__init__("session lost before the acknowledgement (%s)" % outcome)
        self.outcome = outcome


class Stopped(WebPubSubError):
    """The client has given up and will not connect again; `.reason` is the last error."""

    def __init__(self, reason):
        super().__init__("stopped: %s" % reason)
        self.reason = reason
