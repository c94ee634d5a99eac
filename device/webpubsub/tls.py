"""SSL contexts that verify, alike on both runtimes."""

import ssl
import sys

from .memory import once


def tls_context(ca, cert=None, key=None):
    """A client context that checks the server's certificate chain and host name.

    ca: a list of CA certificates, each as DER bytes (mbedTLS on most boards takes no PEM), or
    their concatenation, as `ca_certificates` splits it. cert, key: client certificate and its
    private key, both in DER (CPython: paths of PEM files).

    Raises:
        ValueError: no CA certificate, or one that cannot be read.
    """
    if isinstance(ca, (bytes, bytearray, memoryview)):
        ca = list(ca_certificates(ca))
    if not ca:
        raise ValueError("TLS needs at least one CA certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # MicroPython's frozen wrapper starts at CERT_NONE.
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        for der in ca:
            # One call each: of several certificates in one call mbedTLS takes only the first.
            context.load_verify_locations(cadata=bytes(der))
    except OSError as error:  # CPython's SSLError
        raise ValueError("invalid CA certificate: %s" % error)
    if sys.implementation.name != "micropython":
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def unverified_tls_context():
    """A client context that encrypts but accepts any server: for a bench, never for a field."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.implementation.name != "micropython":
        context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def with_clock(text):
    """A TLS error's text, with the clock's day (UTC) and the remedy if that decided.

    Where a certificate is not valid yet, or no more, it is mostly the clock that is wrong.

    text: str.
    """
    if "future" in text or "yet valid" in text or "expired" in text:
        clock = once("webpubsub.clock")
        text += ": the clock shows %04d-%02d-%02d" % tuple(clock.time.gmtime()[:3])
        if not clock.is_set():
            text += " and was never set: set it by NTP"
    return text


def ca_certificates(data):
    """Split DER certificates that stand one after another (X.690, section 8.1).

    Raises:
        ValueError: the bytes are not a sequence of certificates.

    data: bytes.
    """
    at, size = 0, len(data)
    view = memoryview(data)
    while at < size:
        if size - at < 4 or data[at] != 0x30 or data[at + 1] != 0x82:
            raise ValueError("CA certificates must be in DER")
        length = 4 + (data[at + 2] << 8 | data[at + 3])
        if length > size - at:
            raise ValueError("a CA certificate is cut short")
        yield view[at : at + length]
        at += length
