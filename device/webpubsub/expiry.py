"""When a Client Access Token ends; loaded by AccessToken when somebody asks."""

import asyncio
import json
import time
from binascii import a2b_base64

from .compat import const
from .errors import HandshakeError
from .memory import once

clock = once("webpubsub.clock")

_DAY = const(86400)
# How often to look whether the clock has been set.
_UNSET_PAUSE = const(300)


def claims_of(token):
    """The claims of a JWT (RFC 7519), a dict; None when it is not one. Nothing is verified.

    token: str, a secret."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    body = parts[1].replace("-", "+").replace("_", "/")
    try:
        claims = json.loads(a2b_base64(body + "=" * (-len(body) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def times(token):
    """When a token was issued and when it ends: `iat` and `exp` (RFC 7519), in Unix time.

    Each is an int, or None when the token does not say. Nothing is verified.
    """
    claims = claims_of(token) or {}
    return _number(claims.get("iat")), _number(claims.get("exp"))


def _number(value):
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def seconds_left(token):
    """Seconds until a token ends, negative when it has; None when that cannot be known.

    token: str, a secret."""
    issued, expires = times(token)
    now = clock.unix_time()
    # Before it was issued nobody can have had it: then the clock is wrong.
    if expires is None or now < max(issued or 0, clock.floor):
        return None
    return expires - now


def refused(token, error):
    """The error to raise when a service refuses a token with 401: says so if it has ended."""
    left = seconds_left(token)
    if left is None or left > 0:
        return error
    date = time.gmtime(times(token)[1] - clock.EPOCH)
    text = "the access token expired on %04d-%02d-%02d %02d:%02dZ: get a new one" % tuple(date[:5])
    return HandshakeError(text, error.status, error.reason)


def watcher(token, warn, client):
    """The task of a client that watches a token, one for each client; see `watch`.

    token, warn: as for `watch`. client: the WebPubSubClient.
    """
    # The module stays with its coroutine, which waits for days: 1 KB for those who ask.
    task = getattr(client, "watcher", None)
    if task is None or task.done():
        task = client.watcher = client.spawn(watch(token, warn, client.emit))
    return task


async def watch(token, warn, emit):
    """Emit `token-expires` once a day, from `warn` seconds before the end on.

    token: str, a secret. emit: function of an event's name and its fields."""
    while times(token)[1] is not None:
        left = seconds_left(token)
        if left is None:
            await asyncio.sleep(_UNSET_PAUSE)
        elif left > warn:
            # A sleep of more than six days would overflow MicroPython's ticks.
            await asyncio.sleep(min(left - warn, _DAY))
        else:
            emit("token-expires", expires=times(token)[1], left=left)
            await asyncio.sleep(_DAY)
