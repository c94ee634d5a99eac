"""Certificates for a board, as DER: Azure's roots, files of the user's, those of a client."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from micropython_webpubsub.text_files import NotUtf8, without_mark

from ..errors import HubtoolError
from ..secrets import Secret

# What Microsoft tells devices to trust: the roots that issue certificates for Azure's endpoints.
# Named by fingerprint, so that no other certificate of the same name can slip in. Source:
# "Azure Certificate Authority details", Root Certificate Authorities; DigiCert Global Root CA is
# left out, for browsers stop trusting it in 2026 and Azure moves off it.
AZURE_ROOTS = {
    "DigiCert Global Root G2": "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
    "DigiCert Global Root G3": "31ad6648f8104138c738f39ea4320133393e3a18cc02296ef97c2ac9ef6731d0",
    "Microsoft RSA Root Certificate Authority 2017": (
        "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0"
    ),
    "Microsoft ECC Root Certificate Authority 2017": (
        "358df39d764af9e1b766e9c972df352ee15cfac227af6ad1d70e8e4a6edcba02"
    ),
}
# Each root takes memory of the chip that TLS needs (docs/hubtool.md has how much). Azure's
# endpoints show chains of RSA, which end in these two; a chain of elliptic curves needs the
# others. Which of the two an endpoint ends in changes without asking the device, so both go along.
AZURE_RSA = ("DigiCert Global Root G2", "Microsoft RSA Root Certificate Authority 2017")
# What `tls.ca` may name besides files and single roots.
AZURE, AZURE_ALL = "azure", "azure-all"
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def root_names(name: str) -> tuple[str, ...]:
    """The roots that one entry of `tls.ca` stands for; none when it is the name of a file."""
    if name == AZURE:
        return AZURE_RSA
    if name == AZURE_ALL:
        return tuple(AZURE_ROOTS)
    return (name,) if name in AZURE_ROOTS else ()


@cache
def azure_root(name: str) -> bytes:
    """One of `AZURE_ROOTS` in DER, out of the certifi package.

    Raises:
        HubtoolError: this certifi no longer has it.
    """
    found = bundled().get(AZURE_ROOTS[name])
    if found is None:
        raise HubtoolError(
            f"the certifi package lacks {name}: update it, or name certificate files under tls.ca"
        )
    return found


@cache
def bundled() -> dict[str, bytes]:
    """All certificates of the certifi package in DER, by their fingerprints."""
    # Not through x509: it warns about others of the bundle, and will refuse them one day.
    blocks = _PEM.findall(Path(certifi.where()).read_text(encoding="utf-8"))
    return {hashlib.sha256(der).hexdigest(): der for der in map(ssl.PEM_cert_to_DER_cert, blocks)}


def read_certificates(path: Path) -> tuple[bytes, ...]:
    """The CA certificates of one PEM or DER file, in DER.

    Raises:
        HubtoolError: the file cannot be read, holds no certificate, an expired one, or a key.
    """
    try:
        data = without_mark(path.read_bytes())
    except OSError as error:
        raise HubtoolError(f"{path}: cannot be read: {error.strerror}") from None
    except NotUtf8 as error:
        raise HubtoolError(f"{path}: {error}") from None
    except ValueError:  # a NUL in it
        raise HubtoolError("this is no path of a file: correct it") from None
    if b"PRIVATE KEY" in data:
        raise HubtoolError(f"{path}: holds a private key: give a file with the certificate only")
    try:
        if b"-----BEGIN" in data:
            certificates = x509.load_pem_x509_certificates(data)
        else:
            certificates = [x509.load_der_x509_certificate(data)]
    except ValueError:
        raise HubtoolError(f"{path}: no certificate in PEM or DER") from None
    for certificate in certificates:
        if certificate.not_valid_after_utc <= datetime.now(UTC):
            raise HubtoolError(
                f"{path}: {certificate.subject.rfc4514_string()} expired on "
                f"{certificate.not_valid_after_utc:%Y-%m-%d}: get its successor"
            )
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def client_certificate(path: Path, private_key: Secret) -> tuple[Secret, Secret]:
    """A client certificate and its private key, each in DER and in base64.

    Args:
        path: of the certificate, PEM or DER.
        private_key: in PEM, without a password.

    Raises:
        HubtoolError: one of them cannot be read, or they do not belong together.
    """
    (der, *_) = read_certificates(path)
    try:
        key = load_pem_private_key(private_key.get_secret_value().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise HubtoolError(
            "the private key is not PEM without a password: convert it with "
            "openssl pkey -in FILE -out key.pem"
        ) from None
    if key.public_key() != x509.load_der_x509_certificate(der).public_key():
        raise HubtoolError(f"{path}: does not belong to the private key of certificate_key")
    # mbedTLS on most boards reads PKCS #1 and SEC 1 as well as PKCS #8; this one it always reads.
    private = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Secret(base64.b64encode(der).decode()), Secret(base64.b64encode(private).decode())
