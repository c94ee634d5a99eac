"""Client Access Tokens by Microsoft Entra ID: the service makes them for who has the role.

Who asks is found out by azure-identity's DefaultAzureCredential: environment variables, a managed
identity, `az login` and so on. The service's operation is `:generateToken`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from micropython_webpubsub.installing import install_extra

from ..errors import HubtoolError
from ..names import check_hub_name
from .access_token import split_endpoint
from .maker import TokenMaker

# Seconds; a command line that hangs is worse than one that has to be run again.
_TIMES = {"connection_timeout": 10, "read_timeout": 20, "retry_total": 2}
# The authorities of Azure's clouds: about others azure-identity would ask the public one.
_CLOUDS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
)
_REASON = re.compile(r"AADSTS\d+: [^\n.]*")
_ROLE = "give it the role 'Web PubSub Service Owner' on the resource"


def token_maker(endpoint: str, hub: str) -> TokenMaker:
    """A maker of tokens that needs no access key.

    Args:
        endpoint: of the service; https.
        hub: the hub that the tokens are for.

    Raises:
        HubtoolError: endpoint or hub name are wrong, or azure-identity is not installed.
    """
    url = _https(endpoint)
    try:
        check_hub_name(hub)
    except ValueError as error:
        raise HubtoolError(str(error)) from None
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    credential = _credential()
    client = WebPubSubServiceClient(url, hub, credential, **_TIMES)
    return TokenMaker(client, credential, lambda: _explained(url))


class _Threaded:
    """A credential for Azure's asynchronous clients; it asks in a thread, as it blocks."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        return await asyncio.to_thread(self._credential.get_token, *scopes, **options)

    async def close(self) -> None:
        await asyncio.to_thread(self._credential.close)

    async def __aenter__(self) -> _Threaded:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def async_credential() -> Any:
    """Who asks, for Azure's asynchronous clients.

    Raises:
        HubtoolError: azure-identity is not installed, or its settings are wrong.
    """
    return _Threaded(_credential())


def https_endpoint(endpoint: str) -> str:
    """An endpoint as Azure's clients want it.

    Raises:
        HubtoolError: it is none, or not encrypted.
    """
    return _https(endpoint)


def _https(endpoint: str) -> str:
    try:
        parts = split_endpoint(endpoint)
    except ValueError as error:
        raise HubtoolError(f"--endpoint: {error}") from None
    if parts.scheme not in ("https", "wss"):
        raise HubtoolError(
            "tokens of Microsoft Entra ID go over TLS only: give an https:// endpoint "
            "(`hubtool serve --tls` prints one)"
        )
    return f"https://{parts.netloc}"


def _credential() -> Any:
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise HubtoolError(f"azure-identity is not installed: {install_extra('entra')}") from None
    # It logs on many lines what is said on one below.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    authority = os.environ.get("AZURE_AUTHORITY_HOST", _CLOUDS[0])
    host = urlsplit(authority if "://" in authority else f"https://{authority}").hostname
    try:
        return DefaultAzureCredential(disable_instance_discovery=host not in _CLOUDS, **_TIMES)
    except ValueError as error:
        raise HubtoolError(f"Microsoft Entra ID: {error}") from None


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn the errors of Azure's SDKs into one line that names the remedy."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        if isinstance(error, ClientAuthenticationError) and error.response is None:
            raise HubtoolError(_no_identity(str(error))) from None
        raise HubtoolError(_refused(url, error.status_code)) from None
    except AzureError as error:
        raise HubtoolError(_unreachable(url, str(error))) from None


def _no_identity(text: str) -> str:
    reason = _REASON.search(text)
    if reason is not None:
        return f"Microsoft Entra ID refuses: {reason[0]}: check AZURE_CLIENT_ID and its secret"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return _untrusted("Microsoft Entra ID")
    if "authority" in text:
        return (
            "Microsoft Entra ID does not know the tenant: check AZURE_TENANT_ID, and "
            "AZURE_AUTHORITY_HOST if it is set"
        )
    return (
        "no identity for Microsoft Entra ID: run `az login`, or set AZURE_TENANT_ID, "
        "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
    )


def _refused(url: str, status: int | None) -> str:
    if status == 401:
        return (
            f"{url} does not accept the identity (401): log in to the tenant of the resource, and "
            "check that it allows Microsoft Entra ID"
        )
    if status == 403:
        return f"{url} refuses the identity (403): {_ROLE}; that counts after some minutes"
    if status == 404:
        return f"{url} has no hubs (404): is this the endpoint of a Web PubSub resource?"
    return f"{url} failed (HTTP {status}): try again later"


def _unreachable(url: str, text: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return _untrusted(url)
    return f"{url} cannot be reached: check the endpoint and the network"


def _untrusted(whom: str) -> str:
    return (
        f"the certificate of {whom} is not trusted: set REQUESTS_CA_BUNDLE to its CA file "
        "(`hubtool serve --tls` prints its path)"
    )
