"""When a Client Access Token ends; loaded by AccessToken when somebody asks."""

import asyncio
import json
import time
from binascii import a2b_base64

from .compat import const
from .errors import HandshakeError

# A board powers up in 2000 or 1970: a clock that shows less than this was never set.
_FLOOR = const(1767225600)  # 2026-01-01T00:00:00Z
_DAY = const(86400)
# How often to look whether the clock has been set.
_UNSET_PAUSE = const(300)
# ESP32 counts from 2000-01-01, unix ports and CPython from 1970-01-01.
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0


def times(token):
    """When a token was issued and when it ends: `iat` and `exp` (RFC 7519), in Unix time.

    Each is an int, or None when the token does not say. Nothing is verified.
    """
    body = token.split(".")[1].replace("-", "+").replace("_", "/")
    try:
        claims = json.loads(a2b_base64(body + "=" * (-len(body) % 4)))
        return _number(claims.get("iat")), _number(claims.get("exp"))
    except (ValueError, AttributeError):
        return None, None


def _number(value):
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def unix_time():
    """Seconds since 1970-01-01T00:00:00Z, right or not."""
    return int(time.time()) + _EPOCH


def seconds_left(token):
    """Seconds until a token ends, negative when it has; None when that cannot be known."""
    issued, expires = times(token)
    now = unix_time()
    # Before it was issued nobody can have had it: then the clock is wrong.
    if expires is None or now < max(issued or 0, _FLOOR):
        return None
    return expires - now


def refused(token, error):
    """The error to raise when a service refuses a token with 401: says so if it has ended."""
    left = seconds_left(token)
    if left is None or left > 0:
        return error
    date = time.gmtime(times(token)[1] - _EPOCH)
    text = "the access token expired on %04d-%02d-%02d %02d:%02dZ: get a new one" % tuple(date[:5])
    return HandshakeError(text, error.status, error.reason)


async def watch(token, warn, emit):
    """Emit `token-expires` once a day, from `warn` seconds before the end on."""
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
