"""The service's REST API as the gateway needs it: send a text to a connection, close one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..names import check_hub_name
from ..secrets import Secret
from ..tokens.maker import parse_connection_string

# Seconds for all attempts with one frame, and for one of them.
PATIENCE = 10.0
ATTEMPT = 5.0
PAUSES = (0.2, 0.5, 1.0, 2.0)
# The service did nothing: another attempt cannot bring a frame twice.
_UNTOUCHED = (429, 503)
# Hub names come from events; without access_keys anybody could send such.
_MOST_HUBS = 64


class Undelivered(Exception):
    """The service did not take it; the text is for the log and holds no secret."""


class HubService:
    """Sends to connections of the hubs of one service, by Azure's SDK.

    Args:
        connection_string: signs the calls; None for Microsoft Entra ID.
        endpoint: of the service, for Microsoft Entra ID.

    Raises:
        HubtoolError: the connection string or the endpoint is wrong, or azure-identity is missing.
    """

    def __init__(self, connection_string: Secret | None, endpoint: str | None = None) -> None:
        self._connection_string = connection_string
        self._endpoint = ""
        self._credential: Any = None
        self._clients: dict[str, Any] = {}
        if connection_string is not None:
            parse_connection_string(connection_string)
        else:
            from ..tokens.entra import async_credential, https_endpoint

            self._endpoint = https_endpoint(endpoint or "")
            self._credential = async_credential()

    async def send(self, hub: str, connection: str, text: str) -> None:
        """Send a text; return once the service has taken it.

        Raises:
            Undelivered: it did not, or nobody knows.
        """
        await self._call(
            hub,
            lambda client: client.send_to_connection(
                connection, text, content_type="text/plain", **_LIMITS
            ),
        )

    async def close_connection(self, hub: str, connection: str, reason: str) -> None:
        """Close a connection; also when it is closed already.

        Raises:
            Undelivered: the service did not do it.
        """
        await self._call(
            hub, lambda client: client.close_connection(connection, reason=reason, **_LIMITS)
        )

    async def close(self) -> None:
        """Close the connections to the service."""
        for client in self._clients.values():
            await client.close()
        if self._credential is not None:
            await self._credential.close()

    async def _call(self, hub: str, make: Callable[[Any], Any]) -> None:
        from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

        until = time.monotonic() + PATIENCE
        pauses = iter(PAUSES)
        client = self._client(hub)
        while True:
            try:
                async with asyncio.timeout(min(ATTEMPT, max(0.1, until - time.monotonic()))):
                    await make(client)
                return
            except TimeoutError:
                raise Undelivered("the service takes too long") from None
            except HttpResponseError as error:
                reason, again = (
                    f"the service answered {error.status_code}",
                    (error.status_code in _UNTOUCHED),
                )
            except ServiceRequestError:
                reason, again = "the service cannot be reached", True
            except AzureError as error:
                raise Undelivered(f"the service failed ({type(error).__name__})") from None
            pause = next(pauses, None) if again else None
            if pause is None or time.monotonic() + pause >= until:
                raise Undelivered(reason)
            await asyncio.sleep(pause)

    def _client(self, hub: str) -> Any:
        client = self._clients.get(hub)
        if client is None:
            from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

            try:
                check_hub_name(hub)
            except ValueError as error:
                raise Undelivered(str(error)) from None
            if len(self._clients) >= _MOST_HUBS:
                raise Undelivered(f"there are more than {_MOST_HUBS} hubs")
            if self._connection_string is not None:
                client = WebPubSubServiceClient.from_connection_string(
                    self._connection_string.get_secret_value(), hub=hub, **_OPTIONS
                )
            else:
                client = WebPubSubServiceClient(self._endpoint, hub, self._credential, **_OPTIONS)
            self._clients[hub] = client
        return client


# The SDK would repeat what may have arrived: a frame must not come twice.
_OPTIONS: dict[str, Any] = {"retry_total": 0, "logging_enable": False}
_LIMITS: dict[str, Any] = {"connection_timeout": ATTEMPT, "read_timeout": ATTEMPT}
