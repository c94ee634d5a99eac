"""Running servers until Ctrl-C, with the deadlines and limits of the service."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from localhub.transport.listener import open_socket, reason_of
from localhub.transport.server import serving

from ..errors import HubtoolError

# Each device needs one for the blink of an eye; the service keeps up to 512 to a handler.
CONNECTIONS = 1024
# For a TLS handshake, again for the head of a request, and twice as many for its body.
REQUEST_TIMEOUT = 30.0


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    what: str,
    *,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Serve an application; gives its URL without a path, such as `http://127.0.0.1:8080`.

    Args:
        app: the application.
        host, port: where it listens; port 0 picks a free one.
        what: the beginning of the text of an error, up to the word "listen".
        context: makes it speak TLS; None for plain HTTP.

    Raises:
        HubtoolError: it cannot listen there.
    """
    try:
        bound = open_socket(host, port)
    except OSError as error:
        raise cannot_listen(what, host, port, error) from None
    number = bound.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    async with serving(
        app,
        bound,
        context=context,
        connections=CONNECTIONS,
        request_timeout=REQUEST_TIMEOUT,
    ):
        yield f"{'http' if context is None else 'https'}://{name}:{number}"


def cannot_listen(what: str, host: str, port: int, error: OSError) -> HubtoolError:
    """The error to raise when a server cannot listen.

    Args:
        what: the beginning of its text, up to the word "listen".
        host, port: where it was to listen.
        error: why it does not.
    """
    return HubtoolError(
        f"{what} listen on {host} port {port}: {reason_of(error)}: "
        "end the other program, or choose another port"
    )


def run_until_interrupted(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; Ctrl-C and SIGTERM cancel it, and its clean-up runs to its end."""
    # Windows has no loop.add_signal_handler; raising SIGINT does the same everywhere.
    # A shell starts background jobs with SIGINT ignored: SIGTERM would go with it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        asyncio.run(main)
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
