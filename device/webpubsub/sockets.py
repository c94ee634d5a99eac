"""How a connection comes about on MicroPython: addresses, TCP, the beginning of TLS.

Needed once per connection, and let go before the TLS handshake needs memory; see `once`.
"""

import asyncio
import errno

from .errors import OutOfMemory, TransportError
from .memory import once
from .stream import Stream, good_addresses, socket

# Seconds for one address: a silent one must leave time for the others.
ADDRESS_TIMEOUT = 8


def default_tls_context():
    """MicroPython has no CA store of its own.

    So this raises ValueError, with the remedy, where CPython has a context."""
    raise ValueError("wss:// needs CA certificates: pass ssl=tls_context([der, ...])")


async def open_stream(host, port, ssl=None):
    """Connect to the first address of `host` that answers, and return a Stream.

    ssl: an SSL context, or None for plain TCP. The TLS handshake goes on with the first write.
    Its `address` is a key and a value for good_addresses, for whoever gets an answer from it.

    Raises:
        TransportError: no address, or none of them took the connection.
        OutOfMemory: there is no memory for a socket.

    host: name or address, str. port: int.
    """
    failure = None
    for address, trusted in _addresses(host, port):
        stream = None
        try:
            sock = socket.socket(address[0], socket.SOCK_STREAM)
            stream = Stream(sock)
            sock.setblocking(False)
            try:
                sock.connect(address[1])
            except OSError as error:
                if error.errno != errno.EINPROGRESS:
                    raise
                await asyncio.wait_for(_connected(stream), ADDRESS_TIMEOUT)
            try:
                sock.setsockopt(6, 1, 1)  # TCP_NODELAY: a frame must not wait for an ACK
            except (OSError, AttributeError):
                pass  # a port without it
            if ssl:
                # Some builds finish the handshake here, others with the first write.
                stream.use(
                    ssl.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
                )
                stream.handshaking = True
            stream.address = (host, port), (address, trusted)
            return stream
        except BaseException as error:
            if stream:
                stream.close()  # its descriptor must not stay behind
            tools = once("webpubsub.strerror")
            if tools.is_shortage(error):
                raise OutOfMemory("no memory for a connection to %s" % host)
            if not isinstance(error, (OSError, asyncio.TimeoutError)):
                raise
            failure = tools.error_text(error, connecting=True) or "no answer"
    raise TransportError("cannot connect to %s port %d: %s" % (host, port, failure))


def _addresses(host, port):
    # Pairs of an address, and whether the next connection may begin with it. That one alone: what
    # takes a connection there may no longer be the service, which only the name tells.
    last, trusted = good_addresses.get((host, port)) or (None, True)
    if last and trusted:
        good_addresses[(host, port)] = last, False
        yield last, False
    found = ()
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as error:
        if once("webpubsub.strerror").is_shortage(error):
            raise OutOfMemory("no memory to look %s up" % host)
    for info in found:
        address = info[0], info[-1]
        if address != last:
            yield address, True
    if not trusted:
        yield last, True
    if not found:
        # All that the error says is a number.
        raise TransportError("cannot resolve %s: no such name, or no name server" % host)


async def _connected(stream):
    # Waits until the connection is there.
    await stream.writable()
    # A refused connection shows itself only in use, and MicroPython has no getsockopt.
    try:
        stream.raw.recv(0)
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
