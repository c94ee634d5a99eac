"""The `[entra]` table of the configuration."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from micropython_webpubsub.validation import matching
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

from .roles import Grants, RoleBook, RoleDefinition
from .scopes import (
    DEFAULT_RESOURCE_ID,
    check_resource_id,
    contains,
    is_group,
    management_group,
    parse_scope,
    scopes_above,
)

# Of the local issuer, when the configuration names none.
DEFAULT_TENANT_ID = "10ca1000-0000-4000-8000-000000000000"
# A secret that people choose must not be guessed by trying.
_MIN_SECRET = 16
_MANY_TENANTS = ("common", "organizations", "consumers")


_PrincipalName = matching(
    "[A-Za-z0-9][A-Za-z0-9 ._-]{0,119}",
    "a name has 1 to 120 letters, digits and ' ._-', a letter or digit first",
)


def _check_guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("an id is a GUID: 00000000-0000-0000-0000-000000000000") from None


def _check_group(name: str) -> str:
    management_group(name)
    return name


def _check_metadata_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            "write it as https://login.microsoftonline.com/TENANT/v2.0"
            "/.well-known/openid-configuration"
        )
    if any(part in _MANY_TENANTS for part in parts.path.lower().split("/")):
        raise ValueError("the URL must name one tenant: tokens of any tenant would be accepted")
    return url


Guid = Annotated[str, AfterValidator(_check_guid)]
ResourceId = Annotated[str, AfterValidator(check_resource_id)]
Scope = Annotated[str, AfterValidator(parse_scope)]


class _Table(BaseModel):
    # Inputs never appear in an error text: one of them is a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """A principal of the local issuer, complete.

    Attributes:
        name: what role assignments call it.
        client_id, object_id: GUIDs in lower case.
        client_secret: as configured.
        managed_identity: whether it is one.
    """

    name: str
    client_id: str
    object_id: str
    client_secret: str | None = field(repr=False)
    managed_identity: bool


class Principal(_Table):
    """One entry of `principals`: an application or a managed identity of the local issuer.

    Attributes:
        name: what role assignments call it.
        client_id, object_id: derived from tenant and name when absent, so they stay the same.
        client_secret: generated and kept in the state file when absent.
        managed_identity: it has no secret; it asks the managed identity endpoint.
    """

    name: Annotated[str, _PrincipalName]
    client_id: Guid | None = None
    object_id: Guid | None = None
    client_secret: Annotated[str, Field(min_length=_MIN_SECRET)] | None = Field(None, repr=False)
    managed_identity: StrictBool = False

    @model_validator(mode="after")
    def _check(self) -> Principal:
        if self.managed_identity and self.client_secret is not None:
            raise ValueError("a managed identity has no client_secret: remove one of the two")
        return self


class CustomRole(_Table):
    """One entry of `role_definitions`."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    id: Guid | None = None
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    assignable_scopes: tuple[Scope, ...] = ("/",)

    @property
    def definition(self) -> RoleDefinition:
        """The role; without an id of its own it gets one from its name."""
        identity = self.id or _derived(f"role/{self.name.lower()}")
        return RoleDefinition(identity, self.name, self.data_actions, self.not_data_actions)


class RoleAssignment(_Table):
    """One entry of `role_assignments`; the names are those of `az role assignment create`.

    Attributes:
        assignee: name, client id or object id of a local principal; object id in a real tenant.
        role: name or id.
        scope: where it counts; None for the Web PubSub resource itself.
    """

    assignee: str
    role: str
    scope: Scope | None = None


class EntraSettings(_Table):
    """The `[entra]` table.

    Attributes:
        tenant_id: of the local issuer; with `metadata_url` the tenant that tokens must name.
        metadata_url: OpenID metadata of a real tenant, in place of the local issuer.
        metadata_ca_file: CA certificates in PEM to verify it with, relative to the
            configuration file; None for those of the system.
        resource_id: of the Web PubSub resource that this service stands for.
        management_groups: names of those above its subscription.
    """

    tenant_id: Guid | None = None
    metadata_url: Annotated[str, AfterValidator(_check_metadata_url)] | None = None
    metadata_ca_file: Path | None = None
    resource_id: ResourceId = DEFAULT_RESOURCE_ID
    management_groups: tuple[Annotated[str, AfterValidator(_check_group)], ...] = ()
    principals: tuple[Principal, ...] = ()
    role_definitions: tuple[CustomRole, ...] = ()
    role_assignments: tuple[RoleAssignment, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> EntraSettings:
        if self.metadata_url is not None and self.principals:
            raise ValueError(
                "principals are those of the local issuer: with metadata_url they come from the "
                "tenant, so remove them and assign roles to object ids"
            )
        _refuse_repeated("principal", [one.name.lower() for one in self.principals])
        _refuse_repeated("role", [one.name.lower() for one in self.role_definitions])
        known = self.identities
        _refuse_repeated("client_id", [one.client_id for one in known])
        _refuse_repeated("object_id", [one.object_id for one in known])
        self.grants()
        return self

    @property
    def tenant(self) -> str:
        """The tenant of the local issuer."""
        return self.tenant_id or DEFAULT_TENANT_ID

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The principals of the local issuer, each with its ids."""
        return tuple(self._identity(one) for one in self.principals)

    @property
    def service_identity(self) -> Identity:
        """The managed identity of the Web PubSub resource itself."""
        name = f"{self.tenant}/{self.resource_id.lower()}"
        return Identity("", _derived(f"client/{name}"), _derived(f"object/{name}"), None, True)

    def _identity(self, principal: Principal) -> Identity:
        name = f"{self.tenant}/{principal.name.lower()}"
        return Identity(
            principal.name,
            principal.client_id or _derived(f"client/{name}"),
            principal.object_id or _derived(f"object/{name}"),
            principal.client_secret,
            principal.managed_identity,
        )

    def grants(self) -> Grants:
        """What the role assignments at or above the resource allow.

        Raises:
            ValueError: an assignment names a principal or role that does not exist, or a scope
                where its role may not be assigned.
        """
        book = RoleBook(one.definition for one in self.role_definitions)
        inherited = scopes_above(self.resource_id, self.management_groups)
        held: dict[str, list[RoleDefinition]] = {}
        for assignment in self.role_assignments:
            role = book.find(assignment.role)
            scope = assignment.scope or parse_scope(self.resource_id)
            self._check_assignable(role, scope)
            principal = self._object_id(assignment.assignee)
            if scope in inherited:
                held.setdefault(principal, []).append(role)
        return Grants(held)

    def _check_assignable(self, role: RoleDefinition, scope: str) -> None:
        for custom in self.role_definitions:
            if custom.definition == role and not self._assignable(custom, scope):
                raise ValueError(
                    f"role '{role.name}' cannot be assigned at {scope}: add it to its "
                    "assignable_scopes"
                )

    def _assignable(self, role: CustomRole, scope: str) -> bool:
        # Only of this resource is it known under which management groups it is.
        above = scopes_above(self.resource_id, self.management_groups)
        return any(
            contains(allowed, scope)
            or (is_group(allowed) and {allowed, scope} <= above and scope != "/")
            for allowed in role.assignable_scopes
        )

    def _object_id(self, assignee: str) -> str:
        for principal in self.identities:
            if assignee.lower() in (
                principal.name.lower(),
                principal.client_id,
                principal.object_id,
            ):
                return principal.object_id
        try:
            return _check_guid(assignee)
        except ValueError:
            known = ", ".join(one.name for one in self.principals) or "none"
            raise ValueError(
                f"no principal '{assignee[:100]}': there are {known}; or give an object id"
            ) from None


def _derived(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _refuse_repeated(what: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{what} '{repeated[0]}' is there twice (case does not count)")
