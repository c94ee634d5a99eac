"""Arguments of the wrong kind are refused where they are given, by the name of the parameter.

Plain functions without state, for `once`: needed when something is made. The texts never hold a
value, which may be a secret.

All of them raise TypeError or ValueError.
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


def _must(name, what, value):
    raise TypeError("%s must be %s, not a %s" % (name, what, type(value).__name__))


def seconds(name, value, zero=False, longest=_LONGEST):
    """A number of seconds that can be waited for; zero: whether that is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _must(name, "a number", value)
    if not 0 <= value <= longest or not (value or zero):
        limits = "from 0 to" if zero else "above 0 and at most"
        raise ValueError("%s must be %s %d" % (name, limits, longest))


def _count(name, value, least=1):
    if isinstance(value, bool) or not isinstance(value, int):
        _must(name, "a whole number", value)
    if value < least:
        raise ValueError("%s must be at least %d" % (name, least))


def _text(name, value):
    if not isinstance(value, str):
        _must(name, "a str", value)


def _function(name, value):
    if not callable(value):
        _must(name, "a function", value)


def _token(name, value):
    # As RFC 9110, section 5.6.2.
    _text(name, value)
    for byte in value.encode():
        if not 32 < byte < 127 or byte in _SEPARATORS:
            raise ValueError(name + " must not hold blanks, separators or controls")
    if not value:
        raise ValueError(name + " must not be empty")


def headers(pairs):
    """Header fields of a request: None, a dict, or a list of pairs."""
    if pairs is None:
        return
    if hasattr(pairs, "items"):
        pairs = list(pairs.items())
    if not isinstance(pairs, (list, tuple)):
        _must("headers", "a dict or a list of pairs", pairs)
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            _must("each of headers", "a pair of name and value", pair)
        name, value = pair
        _token("a name in headers", name)
        place = "headers[%r]" % name
        _text(place, value)
        for byte in value.encode():
            if (byte < 32 and byte != 9) or byte == 127:
                raise ValueError(place + " must not hold a line break or another control")


def _connection(ssl, pairs, ping_interval, silence_timeout, max_size, buffer_size, name):
    if ssl is not None and not hasattr(ssl, "wrap_socket"):
        _must("ssl", "an SSL context", ssl)
    headers(pairs)
    for each, value in (("ping_interval", ping_interval), ("silence_timeout", silence_timeout)):
        if value is not None:
            seconds(each, value, True)
    _count(name, max_size)
    if buffer_size is not None:
        _count("buffer_size", buffer_size, 0)


def for_client(
    credential,
    protocol,
    ssl,
    pairs,
    ack_timeout,
    ping_interval,
    silence_timeout,
    max_message_size,
    buffer_size,
    queue_messages,
    queue_bytes,
    backoff,
    recovery_timeout,
    ready,
):
    """Those of WebPubSubClient."""
    if not isinstance(credential, str):
        url = credential.url if hasattr(credential, "url") else credential
        if isinstance(credential, type) or not callable(url):
            _must("credential", "a URL, a credential or an async function", credential)
    _text("protocol", protocol)
    encoding, _, rest = protocol.partition(".")
    if encoding not in ("json", "protobuf") or rest not in (
        "reliable.webpubsub.azure.v1",
        "webpubsub.azure.v1",
    ):
        raise ValueError("unknown protocol: use {json,protobuf}[.reliable].webpubsub.azure.v1")
    _connection(
        ssl, pairs, ping_interval, silence_timeout, max_message_size, buffer_size,
        "max_message_size",
    )  # fmt: skip
    seconds("ack_timeout", ack_timeout)
    _count("queue_messages", queue_messages)
    _count("queue_bytes", queue_bytes)
    if backoff is not None:
        _function("backoff.next", getattr(backoff, "next", None))
    seconds("recovery_timeout", recovery_timeout, True)
    if ready is not None:
        _function("ready", ready)


def for_websocket(
    url,
    protocols,
    pairs,
    ssl,
    timeout,
    max_size,
    ping_interval,
    silence_timeout,
    close_timeout,
    buffer_size,
):
    """Those of ws_connect."""
    _text("url", url)
    if not isinstance(protocols, (list, tuple)):
        _must("protocols", "a list or a tuple of subprotocols", protocols)
    for protocol in protocols:
        _token("each of protocols", protocol)
    seconds("timeout", timeout)
    seconds("close_timeout", close_timeout)
    _connection(ssl, pairs, ping_interval, silence_timeout, max_size, buffer_size, "max_size")


def for_credential(endpoint, hub, token="", warn=0, query=None):
    """Those of Anonymous and AccessToken."""
    _text("endpoint", endpoint)
    _text("hub", hub)
    _text("token", token)
    seconds("warn", warn, True, 1 << 40)
    if query is not None:
        if not hasattr(query, "items"):
            _must("query", "a dict", query)
        for name, value in query.items():
            _text("each name in query", name)
            _text("query[%r]" % name, value)


def for_negotiate(url, pairs, ssl, timeout, max_size):
    """Those of Negotiate."""
    _text("url", url)
    seconds("timeout", timeout)
    _connection(ssl, pairs, None, None, max_size, None, "max_size")


def for_backoff(first, maximum, factor, attempts, stable):
    """Those of Backoff."""
    seconds("first", first)
    seconds("maximum", maximum)
    seconds("factor", factor)
    if attempts is not None:
        _count("attempts", attempts, 0)
    seconds("stable", stable, True, 1 << 40)
    if first > maximum or factor < 1:
        raise ValueError("first must be at most maximum, and factor at least 1")


def for_outbox(client, path, messages, size, delay, attempts):
    """Those of Outbox."""
    if not hasattr(client, "outboxes"):
        _must("client", "a WebPubSubClient", client)
    if path is not None:
        _text("path", path)
        folder = path[: path.rfind("/") + 1].rstrip("/")
        try:
            if folder:
                os.stat(folder)
        except OSError:
            raise ValueError("path: there is no folder " + folder)
        if not path or path.endswith("/"):
            raise ValueError("path must be that of a file")
    _count("messages", messages)
    _count("size", size)
    seconds("delay", delay, True)
    _count("attempts", attempts)


def event(name, callback):
    """Those of `subscribe`. Events of other programs have a dot in their names."""
    _function("callback", callback)
    _text("name", name)
    if "." not in name and name not in _EVENTS.split():
        raise ValueError("name: there is no such event; there are " + _EVENTS)
