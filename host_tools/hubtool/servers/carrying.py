"""Rules with a `central_system`: from the table and a device's request to the gateway."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from pathlib import Path

from ..errors import HubtoolError
from ..secrets import Secret
from .gateway import Central, Gateway, Refused, basic
from .gateway_service import HubService
from .handler_table import ConnectRequest, HandlerDevice, HandlerTable

# The `ce-connectionState` of devices that are carried: the service tells it with each event, also
# to a handler that was restarted. Base64 of JSON, as Microsoft's SDKs write and read it.
CARRIED = base64.b64encode(b'{"carried":true}').decode()


class Carrying:
    """The gateway of a table.

    Args:
        table: of which some rule has a central system.
        folder: where relative paths start.
        report: gets one line for each thing that happens.
        shown: makes what a device said fit for the log.

    Raises:
        HubtoolError: a secret or a CA file cannot be fetched.
    """

    def __init__(
        self,
        table: HandlerTable,
        folder: Path,
        report: Callable[[str], None],
        shown: Callable[[str], str],
    ) -> None:
        self._folder = folder
        rules = [rule for rule in table.devices if rule.central_system]
        self._keys = {id(rule): _fixed_key(rule, folder) for rule in rules}
        self._contexts = {id(rule): _context(rule, folder) for rule in rules}
        # Those that only devices have that are carried.
        self._subprotocols = {rule.chosen for rule in rules} - {
            rule.chosen for rule in table.devices if not rule.central_system
        }
        place = table.connection_string
        string = None if place is None else place.resolve("handler.connection_string", folder)
        self.gateway = Gateway(
            HubService(string, table.endpoint),
            report,
            shown,
            limit=table.central_connections,
            timeout=table.central_timeout,
        )
        self.secrets = [key.get_secret_value() for key in self._keys.values() if key is not None]
        if string is not None:
            self.secrets.append(string.get_secret_value())

    def concerns(self, connection: str, state: str, subprotocol: str) -> bool:
        """Whether an event is of a device that is carried, or was before a restart."""
        return connection in self.gateway or state == CARRIED or subprotocol in self._subprotocols

    async def connect(
        self, hub: str, connection: str, user: str, rule: HandlerDevice, request: ConnectRequest
    ) -> None:
        """Open the way of a device.

        Raises:
            Refused: it has none.
        """
        try:
            url = rule.central_url(request)
        except ValueError:
            raise Refused(404, "its name cannot stand in a URL") from None
        central = Central(
            url,
            rule.chosen or "",
            self._authorization(rule, request),
            self._contexts[id(rule)],
        )
        await self.gateway.connect(hub, connection, user, central)

    def _authorization(self, rule: HandlerDevice, request: ConnectRequest) -> str | None:
        if rule.central_key is not None:
            name = rule.central_name(request)
            if ":" in name:
                raise Refused(401, "its name has a colon, which ends it in Basic credentials")
            key = self._keys[id(rule)]
            if key is None:
                try:
                    key = rule.central_key.resolve(
                        "central_key", self._folder, exact=True, device_id=name
                    )
                except HubtoolError:
                    raise Refused(401, "there is no central_key for it") from None
            return basic(name, key.get_secret_value())
        given = (request.value(rule.central_authorization) or "").strip()
        if rule.central_authorization.startswith("query.") and given[:6].lower() != "basic ":
            # A rewrite rule copied base64 as it stood, and "+" is a blank in a query.
            given = given.replace(" ", "+")
        scheme, _, rest = given.partition(" ")
        # What a rewrite rule moved into the query may have lost its scheme.
        value = rest.strip() if scheme.lower() == "basic" else scheme
        if not value or (rest and scheme.lower() != "basic"):
            return None
        if not all("!" <= character <= "~" for character in value):
            return None
        return f"Basic {value}"


def _fixed_key(rule: HandlerDevice, folder: Path) -> Secret | None:
    place = rule.central_key
    if place is None or "{id}" in (place.env or place.file or ""):
        return None
    return place.resolve("handler.devices.central_key", folder, exact=True)


def _context(rule: HandlerDevice, folder: Path) -> ssl.SSLContext | None:
    if rule.central_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(folder / rule.central_ca))
    except ssl.SSLError:
        raise HubtoolError(
            f"handler.devices.central_ca: {rule.central_ca} holds no certificates in PEM"
        ) from None
    except OSError as error:
        raise HubtoolError(
            f"handler.devices.central_ca: {rule.central_ca} cannot be read: {error.strerror}"
        ) from None
