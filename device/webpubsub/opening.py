"""Opens a WebSocket connection: TCP, TLS, the request of the opening handshake.

Loaded for each connection, and let go when the request is out; see `once`. What is needed only
before or after the TLS handshake is in modules of its own, so that it is not there meanwhile.
"""

import asyncio
import gc

from .compat import const
from .errors import DeadlineError
from .memory import is_room_for_tls, once, tidy_up
from .stream import sleep_ms, ticks_add, ticks_diff, ticks_ms

# ms to wait for the memory of TLS: lwIP keeps that of a dropped connection for up to 30 s.
_PATIENCE = const(20000)
# Bytes more than TLS needs at least: chains of long certificates take that, too.
_DOUBT = const(6000)


async def open_connection(ws, secure, host, port, request, ssl, timeout):
    """Open `ws`, a Connection that was just made, and send the opening handshake.

    secure, host, port: where to. request: bytes. ssl, timeout, and what is raised, DeadlineError
    included: as for `ws_connect`. Returns the seconds of the timeout that are left for the answer.
    """
    begun = ticks_ms()
    if not secure:
        ssl = None
    elif ssl is None:
        ssl = once("webpubsub.sockets").default_tls_context()
    ws.rx.begin(not secure)
    ws.tx.begin()
    tidy_up()
    try:
        await asyncio.wait_for(_open(ws, host, port, ssl, request), timeout)
    except asyncio.TimeoutError:
        raise DeadlineError("no WebSocket connection within %s s" % timeout)
    return timeout and max(0, timeout - ticks_diff(ticks_ms(), begun) / 1000)


async def _open(ws, host, port, ssl, request):
    scarce = doubtful = False
    try:
        if ssl:
            await wait_for_room()
            scarce, doubtful = not is_room_for_tls(), not is_room_for_tls(_DOUBT)
        ws.stream = await once("webpubsub.sockets").open_stream(host, port, ssl)
        await write_first(ws.stream, request)
        # Before more is loaded: a reset takes along what was not read.
        while ws.rx.fill(ws.stream.read_now) is None:
            await ws.stream.readable()
    except (OSError, ValueError) as error:
        raise once("webpubsub.failing").failure(error, host, ssl, scarce, doubtful)


async def wait_for_room():
    """Wait until there is memory for a TLS handshake, 20 s at most.

    The connection before this one may not have given all back yet."""
    end = ticks_add(ticks_ms(), _PATIENCE)
    while not is_room_for_tls() and ticks_diff(end, ticks_ms()) > 0:
        gc.collect()
        await sleep_ms(500)


async def write_first(stream, data):
    """Write the first bytes of a connection, all of them; the TLS handshake is over then.

    stream: a Stream. data: bytes-like."""
    done = 0
    while done < len(data):
        count = stream.write_now(data, done, len(data) - done)
        done += count or 0
        if not count:
            await stream.writable()
    stream.handshaking = False
