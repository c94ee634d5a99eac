"""The messages of OCPP-J 1.6, section 4: arrays of JSON, and what is wrong with one."""

from webpubsub.compat import const
from webpubsub.content import dumps, loads

CALL = const(2)
CALLRESULT = const(3)
CALLERROR = const(4)
# The document allows 36 characters. Longer ids of a central system are answered with as they are,
# as far as an answer with one makes sense.
_LONGEST = const(255)


class Malformed(Exception):
    """A text that is no message: there is nobody to tell, so it is dropped.

    Or a call that is none: then `id` is its id, for a CALLERROR with `code`."""

    id = None
    code = "FormationViolation"


def parse(data, escaped=True):
    """The message in a text: (type, id, then what the type has), a list.

    data: bytes-like, UTF-8. escaped: whether it may hold an escaped surrogate.

    Raises:
        Malformed: it is none, with `.id` when the sender waits for an answer.
    """
    try:
        if not bytes(data[-4:]).rstrip().endswith(b"]"):
            raise ValueError  # MicroPython closes what is still open
        message = loads(data, escaped)
    except ValueError:
        raise Malformed("no JSON")
    except (RuntimeError, MemoryError):
        raise _too_much(bytes(data[:300]))
    if not isinstance(message, list) or len(message) < 2:
        raise Malformed("no message")
    kind, id_ = message[:2]
    if not isinstance(id_, str) or len(id_) > _LONGEST or isinstance(kind, bool):
        raise Malformed("no id")
    if kind == CALL:
        if len(message) != 4 or not isinstance(message[2], str):
            error = Malformed("no action")
        elif not isinstance(message[3], dict):
            error = Malformed("the payload is no object")
        else:
            return message
        error.id = id_
        raise error
    if kind not in (CALLRESULT, CALLERROR):
        raise Malformed("another type")
    if len(message) < 3:
        message.append(None)
    return message


def _too_much(head):
    # A message for which there is no memory, or that is nested too deeply. Whoever called waits
    # for an answer.
    error = Malformed("too large")
    parts = head.split(b'"')
    if len(parts) > 2 and parts[0].strip() == b"[2,":
        error.id = str(parts[1], "utf-8")
        error.code = "InternalError"
    return error


def call_text(id_, action, payload):
    """The text of a CALL.

    `id_`, action: str. payload: dict."""
    return dumps((CALL, id_, action, payload))


def result_text(id_, payload):
    """The text of a CALLRESULT; parameters as for `call_text`.

    `id_`: str. payload: dict."""
    return dumps((CALLRESULT, id_, payload))


def error_text(id_, code, description):
    """The text of a CALLERROR.

    `id_`: str. code, description: as of a CallError; the latter is shortened."""
    return dumps((CALLERROR, id_, code, description[:255], {}))
