"""Accepts TCP connections on one port, also when the process runs out of file descriptors."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys

from ..errors import ConfigError
from .http_connections import HttpConnections

# Errors of accept() when the process or the computer has run out of descriptors or memory.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Seconds before the next try then.
_PAUSE = 0.05
# Length of the kernel's queue. When it is full, a SYN is dropped and sent again after a second: a
# thousand clients that reconnect at once must not meet that.
_BACKLOG = 1024
# Connections that are accepted in a row before the event loop gets its turn.
_BATCH = 64


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the port is taken, or the host is not one of this computer.
    """
    try:
        return open_socket(host, port)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {reason_of(error)}: choose another host or port"
        ) from None


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the port is taken, or the host is not one of this computer; see `reason_of`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def reason_of(error: OSError) -> str:
    """Why there is no listening socket, without the address that create_server adds."""
    return str(error.strerror or error).partition(" (while ")[0]


def allow_descriptors(wanted: int) -> None:
    """Let this process have that many open files, or as many as the system lets it have."""
    try:
        import resource
    except ImportError:
        return  # Windows counts differently
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        pass  # some systems have a lower limit than they say


def descriptors() -> int:
    """How many open files this process may have; very many where that is not known."""
    try:
        import resource
    except ImportError:
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class Listener:
    """One listening socket.

    Args:
        listening: bound, and in the state of listening.
        connections: takes what is accepted.
        context: for a port that speaks TLS.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: HttpConnections,
        context: ssl.SSLContext | None = None,
    ) -> None:
        listening.setblocking(False)
        self._socket = listening
        self._connections = connections
        self._context = context
        self._stopping = False
        self._task = asyncio.create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        accepted = 0
        while not self._stopping:
            try:
                connected, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                await self._recover(error)
                continue
            self._connections.admit(connected, self._context)
            accepted += 1
            if accepted % _BATCH == 0:
                # While somebody waits to be accepted, `sock_accept` never gives way.
                await asyncio.sleep(0)

    async def _recover(self, error: OSError) -> None:
        """Go on after a connection that could not be accepted."""
        if error.errno in _EXHAUSTED:
            # The connection stays in the kernel's queue, and is accepted when there is a
            # descriptor again.
            self._connections.evict_idle()
            self._connections.warn(f"{error.strerror}: allow more open files (ulimit -n)")
        await asyncio.sleep(_PAUSE if error.errno in _EXHAUSTED else 0)

    async def stop(self) -> None:
        """Accept no more, and close the socket."""
        self._stopping = True
        try:
            # What was accepted in this very turn of the loop would get lost with the task.
            asyncio.get_running_loop().remove_reader(self._socket)
            await asyncio.sleep(0)
        except NotImplementedError:
            pass  # Windows' own loop closes what it loses
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()
