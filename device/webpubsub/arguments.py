"""Arguments of the wrong kind are refused where they are given, by the name of the parameter.

Plain functions without state, for `once`: needed when something is made. The texts never hold a
value, which may be a secret.

The names of parameters are in texts, for as names MicroPython would keep them for ever.
"""

import os

from .compat import const

# Ticks of MicroPython wrap: a wait of 2^29 ms, some six days, would be none.
_LONGEST = const(500000)
_EVENTS = (
    "connected recovering recovered reconnecting reconnected disconnected rejoin-group-failed"
    " stopped message-dropped group-message server-message token-expires outbox-dropped"
)
_SEPARATORS = b'()<>@,;:\\"/[]?={}'

# Who has which parameters, in their order: the kind of each, then its name.
_RULES = (
    "client access credential protocol protocol context? ssl fields? headers time ack_timeout"
    " pause? ping_interval pause? silence_timeout count max_message_size natural? buffer_size"
    " count queue_messages count queue_bytes delays? backoff pause recovery_timeout"
    " function? ready",
    "websocket text url tokens protocols fields? headers context? ssl time timeout count max_size"
    " pause? ping_interval pause? silence_timeout time close_timeout natural? buffer_size",
    "credential text endpoint text hub text token number warn strings? query",
    "negotiate text url strings? headers fields? headers context? ssl time timeout count max_size",
    "backoff time first time maximum number factor natural? attempts number stable",
    "outbox client client path? path count messages count size pause delay count attempts",
    "wait pause timeout",
    "time pause? ping_interval pause? silence_timeout",
    "event function callback event name",
)


def check(what, *values):
    """Check all the arguments of one call.

    what: whose they are: client, websocket, credential (AccessToken and Anonymous), negotiate,
    backoff, outbox, wait (a timeout), time (those of a connection) or event (callback and name of
    `subscribe`). values: they.

    Raises:
        TypeError, ValueError: one of them is wrong; the text says which.
    """
    for rule in _RULES:
        kinds = rule.split()
        if kinds.pop(0) == what:
            for value in values:
                kind, name = kinds.pop(0), kinds.pop(0)
                if value is not None or not kind.endswith("?"):
                    _one(kind, name, value)


def _one(kind, name, value):
    if kind in ("time", "pause", "pause?", "number"):
        _seconds(kind, name, value)
    elif kind in ("count", "natural?"):
        if isinstance(value, bool) or not isinstance(value, int):
            _must(name, "a whole number", value)
        least = 1 if kind == "count" else 0
        if value < least:
            raise ValueError("%s must be at least %d" % (name, least))
    elif kind == "text":
        _text(name, value)
    elif kind == "tokens":
        if not isinstance(value, (list, tuple)):
            _must(name, "a list or a tuple", value)
        for each in value:
            _token("each of " + name, each)
    elif kind == "strings?":
        if not hasattr(value, "items"):
            _must(name, "a dict", value)
        for key in value:
            _text("each key of " + name, key)
            _text("%s[%r]" % (name, key), value[key])
    elif kind == "fields?":
        _fields(name, value)
    else:
        _particular(kind, name, value)


def _must(name, what, value):
    raise TypeError("%s must be %s, not a %s" % (name, what, type(value).__name__))


def _seconds(kind, name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _must(name, "a number", value)
    most = 1 << 40 if kind == "number" else _LONGEST
    # This is so written that nan fails, too.
    if not 0 <= value <= most or not (value or kind != "time"):
        least = "above 0" if kind == "time" else "0 or more"
        raise ValueError("%s must be %s, and at most %d" % (name, least, most))


def _text(name, value):
    if not isinstance(value, str):
        _must(name, "a str", value)


def _token(name, value):
    # As RFC 9110, section 5.6.2.
    _text(name, value)
    for byte in value.encode():
        if not 32 < byte < 127 or byte in _SEPARATORS:
            raise ValueError(name + " must not hold blanks, separators or controls")
    if not value:
        raise ValueError(name + " must not be empty")


def _fields(name, pairs):
    if hasattr(pairs, "items"):
        pairs = list(pairs.items())
    if not isinstance(pairs, (list, tuple)):
        _must(name, "a dict or a list of pairs", pairs)
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            _must("each of " + name, "a pair of name and value", pair)
        field, value = pair
        _token("each name in " + name, field)
        field = "%s[%r]" % (name, field)
        _text(field, value)
        for byte in value.encode():
            if (byte < 32 and byte != 9) or byte == 127:
                raise ValueError(field + " must not hold a line break or another control")


def _particular(kind, name, value):
    if kind == "access":
        if not isinstance(value, str):
            url = value.url if hasattr(value, "url") else value
            if isinstance(value, type) or not callable(url):
                _must(name, "a URL, a credential or an async function", value)
    elif kind == "protocol":
        _text(name, value)
        encoding, _, rest = value.partition(".")
        if encoding not in ("json", "protobuf") or rest not in (
            "reliable.webpubsub.azure.v1",
            "webpubsub.azure.v1",
        ):
            raise ValueError("unknown protocol: use {json,protobuf}[.reliable].webpubsub.azure.v1")
    elif kind == "context?":
        if not hasattr(value, "wrap_socket"):
            _must(name, "an SSL context", value)
    elif kind == "delays?":
        if not hasattr(value, "next"):
            _must(name, "a Backoff", value)
    elif kind == "client":
        if not hasattr(value, "outboxes"):
            _must(name, "a WebPubSubClient", value)
    elif kind == "path?":
        _path(name, value)
    elif kind == "event":
        # Events of other programs have a dot in their names.
        _text(name, value)
        if "." not in value and value not in _EVENTS.split():
            raise ValueError("name must be one of: " + _EVENTS)
    elif not callable(value):
        _must(name, "a function", value)


def _path(name, value):
    _text(name, value)
    folder, slash, file = value.rpartition("/")
    if not file:
        raise ValueError(name + " must be that of a file")
    try:
        if slash and folder:
            os.stat(folder)
    except OSError:
        raise ValueError("%s: there is no folder %s" % (name, folder))
