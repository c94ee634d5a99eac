"""How programs learn to trust the local CA: each library has a variable of its own."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

# Variable, and who reads it.
CA_VARIABLES = (
    ("REQUESTS_CA_BUNDLE", "Python: requests, Azure's service SDKs and azure-identity"),
    ("SSL_CERT_FILE", "Python: aiohttp, websockets, httpx, Azure's asynchronous SDKs"),
    ("WEBSOCKET_CLIENT_CA_BUNDLE", "Python: websocket-client, Azure's client SDK"),
    ("NODE_EXTRA_CA_CERTS", "Node.js, Azure's SDKs for JavaScript"),
)


def trust_lines(ca: Path, endpoint: str) -> list[str]:
    """Instructions for programs that are to use an endpoint of the local CA.

    Args:
        ca: the CA certificate, a PEM file.
        endpoint: `https://host:port`.

    Returns:
        Lines; those that set a variable are commands of the usual shell of this system.
    """
    path = str(ca.absolute())
    settings = [
        (f'$env:{name} = "{path}"' if os.name == "nt" else f"export {name}={shlex.quote(path)}")
        for name, _ in CA_VARIABLES
    ]
    width = max(map(len, settings))
    return [
        f"CA certificate: {path}",
        f"To use {endpoint}, put it into the connection string, and let the program trust the CA:",
        *(
            f"  {setting.ljust(width)}  # {reader}"
            for setting, (_, reader) in zip(settings, CA_VARIABLES, strict=True)
        ),
    ]
