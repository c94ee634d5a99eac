import os
import ssl
from collections.abc import Iterable, Iterator

_Bytes = bytes | bytearray | memoryview
# On CPython the path of a PEM file, on MicroPython the DER bytes.
_Credential = str | os.PathLike[str] | bytes

def tls_context(
    ca: _Bytes | Iterable[_Bytes],
    cert: _Credential | None = None,
    key: _Credential | None = None,
) -> ssl.SSLContext: ...
def unverified_tls_context() -> ssl.SSLContext: ...
def with_clock(text: str) -> str: ...
def ca_certificates(data: _Bytes) -> Iterator[memoryview]: ...
