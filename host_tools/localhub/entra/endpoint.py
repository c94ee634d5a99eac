"""The HTTP side of the local issuer, on the TLS listener (RFC 6749 section 4.4, OpenID)."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .issuer import Grant, Issuer, IssuerError

_log = logging.getLogger("localhub.entra")

# Before the secret in the address of the endpoint of virtual machines.
PLACE = "/imds"
_IMDS = "/metadata/identity/oauth2/token"
_SCOPE_SUFFIX = "/.default"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
Handler = Callable[[web.Request], Awaitable[web.Response]]


class IssuerEndpoint:
    """Serves metadata, keys, and both kinds of token endpoints."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve."""
        tenant = "/{tenant}"
        return [
            web.get(f"{tenant}/.well-known/openid-configuration", self._guarded(self._metadata)),
            web.get(
                f"{tenant}/v2.0/.well-known/openid-configuration",
                self._guarded(self._metadata_v2),
            ),
            web.get(f"{tenant}/discovery/keys", self._guarded(self._keys)),
            web.get(f"{tenant}/discovery/v2.0/keys", self._guarded(self._keys)),
            web.post(f"{tenant}/oauth2/token", self._guarded(self._token)),
            web.post(f"{tenant}/oauth2/v2.0/token", self._guarded(self._token_v2)),
            web.get(_IMDS, self._guarded(self._imds)),
            web.get(PLACE + "/{place}" + _IMDS, self._guarded(self._imds)),
            web.get("/msi/token", self._guarded(self._app_service)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            try:
                self._check(request)
                return await handler(request)
            except IssuerError as error:
                # Not its text, which quotes the caller: a log has one line for each refusal.
                path = request.rel_url.raw_path[:200]
                if "place" in request.match_info:
                    path = f"{PLACE}/..."
                _log.info("Refused %s: %d AADSTS%d", path, error.status, error.number)
                return _refusal(error)

        return guarded

    def _check(self, request: web.Request) -> None:
        if not request.secure:
            raise IssuerError(
                "invalid_request", 90036, "This issuer answers over TLS only: use https://."
            )
        tenant = request.match_info.get("tenant")
        if tenant is not None and tenant.lower() != self._issuer.tenant:
            raise IssuerError(
                "invalid_tenant",
                90002,
                f"Tenant '{tenant[:100]}' not found: this issuer has {self._issuer.tenant}.",
            )

    # -- public metadata -------------------------------------------------------------------

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response(self._issuer.metadata(""))

    async def _metadata_v2(self, request: web.Request) -> web.Response:
        return web.json_response(self._issuer.metadata("v2.0"))

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response(self._issuer.keys())

    # -- client credentials ----------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        form = await _form(request)
        grant = self._by_secret(request, form, form.get("resource") or _resource_of(form))
        return _answer({**_lasting(grant), **_dated(grant)})

    async def _token_v2(self, request: web.Request) -> web.Response:
        form = await _form(request)
        return _answer(_lasting(self._by_secret(request, form, _resource_of(form))))

    def _by_secret(self, request: web.Request, form: dict[str, str], resource: str) -> Grant:
        if form.get("grant_type") != "client_credentials":
            raise IssuerError(
                "unsupported_grant_type", 70003, "The only grant here is client_credentials."
            )
        client_id, secret = _client(request, form)
        return self._issuer.grant(self._issuer.application(client_id, secret), resource)

    # -- managed identities ----------------------------------------------------------------

    async def _imds(self, request: web.Request) -> web.Response:
        """As a virtual machine asks.

        The cloud's own endpoint needs no secret, because only the machine can reach it. Here a
        proxy that tells nothing about itself would let everybody ask, so there is one in the
        path: azure-identity takes a URL in AZURE_POD_IDENTITY_AUTHORITY_HOST.
        """
        # A page in a browser cannot send this header, and a proxy adds the other one.
        forwarded = "X-Forwarded-For" in request.headers
        if request.headers.get("Metadata", "").lower() != "true" or forwarded:
            raise IssuerError(
                "invalid_request", 90036, "Send the header Metadata: true, and no proxy between."
            )
        self._check_secret(
            request.match_info.get("place", ""),
            "Ask at the address of AZURE_POD_IDENTITY_AUTHORITY_HOST in the principal's file: "
            "there is a secret in it.",
        )
        return self._by_place(request)

    async def _app_service(self, request: web.Request) -> web.Response:
        """As App Service and Functions ask."""
        shown = request.headers.get("X-IDENTITY-HEADER", "")
        self._check_secret(shown, "X-IDENTITY-HEADER is wrong or missing.")
        return self._by_place(request)

    def _check_secret(self, shown: str, remedy: str) -> None:
        # aiohttp keeps bytes that are no UTF-8 as surrogates.
        given = shown.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self._issuer.store.identity_header.encode()):
            raise IssuerError("invalid_request", 90036, remedy, status=401)

    def _by_place(self, request: web.Request) -> web.Response:
        query = request.query
        resource = query.get("resource", "")
        if not resource:
            raise IssuerError("invalid_request", 900144, "The parameter 'resource' is missing.")
        wanted = query.get("client_id") or query.get("object_id") or query.get("principal_id")
        identity = self._issuer.managed_identity(wanted)
        grant = self._issuer.grant(identity, resource.removesuffix(_SCOPE_SUFFIX))
        return _answer({**_lasting(grant), **_dated(grant), "client_id": identity.client_id})


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form; each may come once."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise IssuerError("invalid_request", 900144, "The body must be a URL-encoded form.")
    try:
        posted = await request.post()
    except (ValueError, LookupError, web.RequestPayloadError, HttpProcessingError):
        raise IssuerError("invalid_request", 900144, "The form cannot be read.") from None
    if len(set(posted)) != len(posted):
        raise IssuerError("invalid_request", 90014, "A parameter is there twice.")
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def _client(request: web.Request, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret of a client, from the form or by Basic authentication."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise IssuerError("invalid_client", 90014, "Broken Authorization header.") from None
        client_id, _, secret = decoded.partition(":")
        return unquote_plus(client_id), unquote_plus(secret)
    for name in ("client_id", "client_secret"):
        if not form.get(name):
            raise IssuerError(
                "invalid_request", 900144, f"The request body must contain '{name}'."
            )
    return form["client_id"], form["client_secret"]


def _resource_of(form: dict[str, str]) -> str:
    scope = form.get("scope", "").strip()
    resource = scope.removesuffix(_SCOPE_SUFFIX)
    if not scope or resource == scope or " " in scope:
        raise IssuerError(
            "invalid_scope",
            1002012,
            f"The scope must be one resource, followed by '{_SCOPE_SUFFIX}'.",
        )
    return resource


def _lasting(grant: Grant) -> dict[str, Any]:
    seconds = grant.expires_at - grant.issued_at - 1
    return {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": grant.access_token,
    }


def _dated(grant: Grant) -> dict[str, Any]:
    # Version 1 of the protocol writes numbers as strings.
    return {
        "expires_in": str(grant.expires_at - grant.issued_at - 1),
        "expires_on": str(grant.expires_at),
        "not_before": str(grant.issued_at),
        "resource": grant.resource,
    }


def _answer(content: dict[str, Any]) -> web.Response:
    return web.json_response(content, headers=_NO_STORE)


def _refusal(error: IssuerError) -> web.Response:
    trace = str(uuid.uuid4())
    content = {
        "error": error.error,
        "error_description": f"{error} Trace ID: {trace}",
        "error_codes": [error.number],
        "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
        "trace_id": trace,
        "correlation_id": trace,
    }
    return web.json_response(content, status=error.status, headers=_NO_STORE)
