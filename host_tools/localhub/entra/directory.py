"""Entra ID as the service uses it: who calls, what it may do, and how to become somebody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from ..auth.callers import Authenticate, Caller, Credentials
from ..errors import ConfigError
from .endpoint import PLACE, IssuerEndpoint
from .issuer import Issuer
from .roles import Grants
from .settings import EntraSettings
from .store import EntraStore
from .tenant import Tenant
from .tokens import EntraTokens, IssuerKeys, Keys

_STATE_FILE = "entra.json"


class PrincipalCaller:
    """A principal of Entra ID: it may do what its roles allow."""

    def __init__(self, object_id: str, grants: Grants) -> None:
        self._object_id = object_id
        self._grants = grants

    def may(self, data_action: str) -> bool:
        """Whether one of its roles has a data action."""
        return self._grants.may(self._object_id, data_action)


class Directory:
    """The issuer, or a real tenant, and the role assignments.

    Args:
        settings: the `[entra]` table.
        folder: where the configuration file lies; relative paths start there.
        state: folder that keeps the issuer's secrets; None keeps them in memory.
        authority: gives `https://host:port` of the TLS listener.

    Raises:
        ConfigError: a file cannot be used.
    """

    def __init__(
        self,
        settings: EntraSettings,
        folder: Path,
        state: Path | None,
        authority: Callable[[], str],
    ) -> None:
        self._authority = authority
        self._grants = settings.grants()
        self._issuer: Issuer | None = None
        keys: Keys
        if settings.metadata_url is None:
            store = EntraStore(None if state is None else state / _STATE_FILE)
            self._issuer = Issuer(settings, store, authority)
            keys = IssuerKeys(self._issuer)
        else:
            ca_file = settings.metadata_ca_file
            keys = Tenant(settings.metadata_url, ca_file and folder / ca_file)
        self._tokens = EntraTokens(keys, settings.tenant_id)

    @property
    def issuer(self) -> Issuer | None:
        """The local issuer; None for a real tenant."""
        return self._issuer

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve; nothing for a real tenant."""
        return [] if self._issuer is None else IssuerEndpoint(self._issuer).routes()

    def service_token(self, resource: str) -> str:
        """A token of the service's own managed identity, which only the local issuer makes.

        Raises:
            ConfigError: the issuer is a real tenant.
        """
        if self._issuer is None:
            raise ConfigError("a real tenant gives this service no managed identity")
        return self._issuer.service_token(resource)

    @property
    def authenticate(self) -> Authenticate:
        """Authentication by a token of Entra ID, see `EntraTokens.principal`."""
        return self._authenticate

    async def _authenticate(self, credentials: Credentials) -> Caller:
        object_id = await self._tokens.principal(credentials.token)
        return PrincipalCaller(object_id, self._grants)

    # -- becoming somebody -----------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the local issuer's principals."""
        return () if self._issuer is None else tuple(one.name for one in self._issuer.identities)

    def environment(self, name: str) -> dict[str, str]:
        """The variables that make azure-identity be a principal of the local issuer.

        Holds a secret. An application gets those of EnvironmentCredential, a managed identity
        those of App Service.

        Raises:
            ConfigError: there is no such principal.
        """
        issuer = self._issuer
        for identity in () if issuer is None else issuer.identities:
            if issuer is None or identity.name.lower() != name.lower():
                continue
            if identity.managed_identity:
                place = f"{self._authority()}{PLACE}/{issuer.store.identity_header}"
                return {
                    "IDENTITY_ENDPOINT": f"{self._authority()}/msi/token",
                    "IDENTITY_HEADER": issuer.store.identity_header,
                    "AZURE_POD_IDENTITY_AUTHORITY_HOST": place,
                    "AZURE_CLIENT_ID": identity.client_id,
                }
            return {
                "AZURE_AUTHORITY_HOST": self._authority(),
                "AZURE_TENANT_ID": issuer.tenant,
                "AZURE_CLIENT_ID": identity.client_id,
                "AZURE_CLIENT_SECRET": issuer.secret_of(identity),
            }
        known = ", ".join(self.names) or "none"
        raise ConfigError(f"no principal '{name}' in entra.principals: there are {known}")
