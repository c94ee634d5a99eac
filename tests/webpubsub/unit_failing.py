"""What an attempt to open a connection failed by."""

from checks import equal
from webpubsub.errors import HandshakeError, OutOfMemory, ProtocolError, TransportError
from webpubsub.failing import failure

FUTURE = ValueError("The certificate validity starts in the future")
UNTRUSTED = ValueError("The certificate is not correctly signed by the trusted CA")
# What mbedTLS says when it has no memory for its arithmetic, and when the peer refuses.
FAILED = OSError(-28160, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE")


def kind(error, scarce=False, doubtful=False):
    found = failure(error, "h", True, scarce, doubtful)
    assert "h" in str(found), found
    return type(found)


def test_too_little_memory_explains_everything():
    for error in (FUTURE, UNTRUSTED, FAILED):
        equal(kind(error, True, True), OutOfMemory)


def test_little_memory_explains_a_handshake_that_failed():
    equal(kind(FAILED, False, True), OutOfMemory)
    for error in (FUTURE, UNTRUSTED):
        equal(kind(error, False, True), TransportError)


def test_enough_memory_explains_nothing():
    for error in (FUTURE, UNTRUSTED, FAILED):
        equal(kind(error), TransportError)


def test_what_has_its_name_keeps_it():
    error = HandshakeError("h: no", 404)
    equal(failure(error, "h", True, True, True), error)
    equal(type(failure(ProtocolError(1002, "no HTTP"), "h", True)), HandshakeError)
