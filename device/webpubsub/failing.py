"""What an attempt to open a connection failed by. Loaded for it; see `once`."""

from .errors import HandshakeError, OutOfMemory, ProtocolError, TransportError
from .memory import once


def failure(error, host, tls, scarce=False, doubtful=False):
    """The error to raise for one that was met on the way to an open connection with `host`.

    error: an exception. tls: whether TLS is in use. scarce: whether there was no memory for it to
    begin with. doubtful: whether there was little more than the least.
    """
    if isinstance(error, TransportError):
        return error
    if isinstance(error, ProtocolError):
        return HandshakeError(str(error))
    tools = once("webpubsub.strerror")
    # mbedTLS says that a certificate is wrong when it has no memory to check one, and that the
    # handshake failed when it has none for its arithmetic.
    if doubtful and "HANDSHAKE_FAILURE" in str(error):
        scarce = True
    if scarce or tools.is_shortage(error):
        return OutOfMemory("no memory for TLS with %s: %s" % (host, tools.error_text(error)))
    # A certificate that does not verify is a ValueError in MicroPython.
    what = "TLS" if tls else "TCP"
    return TransportError("%s with %s failed: %s" % (what, host, tools.error_text(error, tls)))
