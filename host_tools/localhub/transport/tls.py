"""A local certificate authority, so that clients can verify the service as they verify Azure."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..auth.keys import write_private
from ..errors import ConfigError

_CA_FILE = "localhub-ca.pem"
_CA_KEY_FILE = "localhub-ca-key.pem"
# Devices verify the name that they dial, so every name of this computer's loopback is there.
_NAMES = ("localhost", "127.0.0.1", "::1")


class LocalAuthority:
    """A CA that signs the service's certificate directly (EC P-256, valid from 2000 on).

    A board whose clock is not set believes to be in the year 2000, and can verify all the same.

    Args:
        folder: where the CA lies, or is put when it is not there yet.

    Raises:
        ConfigError: the files are damaged, or cannot be read or written.

    Attributes:
        pem_path: the CA certificate as a PEM file, for SSL_CERT_FILE and the like.
        der: the CA certificate in DER, for boards.
    """

    def __init__(self, folder: Path) -> None:
        self.pem_path = folder / _CA_FILE
        key_path = folder / _CA_KEY_FILE
        try:
            pem, key = self.pem_path.read_bytes(), key_path.read_bytes()
            self._ca = trustme.CA.from_pem(pem, key)
        except FileNotFoundError:
            self._ca = trustme.CA(organization_name="localhub")
            write_private(key_path, self._ca.private_key_pem.bytes())
            write_private(self.pem_path, self._ca.cert_pem.bytes())
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}: make it readable") from None
        except ValueError:
            raise ConfigError(
                f"{self.pem_path}: damaged CA: delete it and {_CA_KEY_FILE} to get a new one"
            ) from None
        certificate = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        self.der = certificate.public_bytes(Encoding.DER)

    def server_context(self, host: str) -> ssl.SSLContext:
        """A context for the listener: TLS 1.2 or newer, with a fresh certificate."""
        names = dict.fromkeys((*_NAMES, host.strip("[]") or _NAMES[0]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._ca.issue_cert(*names).configure_cert(context)
        return context
