"""What errors of sockets and of TLS say: errno.h, lwIP and mbedTLS in a few words (see `once`)."""

import errno

from .memory import once

_TEXTS = {
    errno.ECONNREFUSED: "nobody listens there",
    errno.ECONNRESET: "reset by the other side",
    errno.EHOSTUNREACH: "no route to it",
    errno.ETIMEDOUT: "no answer",
    errno.ENOMEM: "no memory for it",
}
# lwIP's getaddrinfo says so when it has no memory (netdb.h), also of a numeric address.
_EAI_MEMORY = -203


def is_shortage(error):
    """Whether an error of a socket, of a look-up or of TLS says that memory is out.

    error: an exception."""
    if isinstance(error, MemoryError):
        return True
    # mbedTLS has many: MBEDTLS_ERR_SSL_ALLOC_FAILED, MBEDTLS_ERR_X509_ALLOC_FAILED ...
    return isinstance(error, OSError) and (
        error.errno in (errno.ENOMEM, _EAI_MEMORY) or "ALLOC_FAILED" in str(error)
    )


def error_text(error, tls=None, connecting=False):
    """What an error of a socket says, or one that TLS met.

    tls: whether TLS was in use. connecting: whether the connection was not there yet; then lwIP
    says ECONNRESET of a port that nobody listens on.

    error: an exception.
    """
    number = getattr(error, "errno", None)
    if connecting and number == errno.ECONNRESET:
        number = errno.ECONNREFUSED
    # mbedTLS ends each reason with a line break.
    text = _TEXTS.get(number) or " ".join(str(error).split())
    return once("webpubsub.tls").with_clock(text) if tls else text
