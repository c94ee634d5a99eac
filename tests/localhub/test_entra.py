"""Entra ID at the running service: the issuer, the check of tokens, real tenants, no keys."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import ssl
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from localhub import LocalHub
from localhub.transport.tls import LocalAuthority

TENANT = "abcdef00-0000-0000-0000-000000000001"
RESOURCE = "https://webpubsub.azure.com"
SECRET = "a secret of the configuration"
OWNER = {"role": "Web PubSub Service Owner"}
CONFIG: dict[str, Any] = {
    "service": {"tls": {}},
    "entra": {
        "tenant_id": TENANT,
        "principals": [
            {"name": "server", "client_secret": SECRET},
            {"name": "reader"},
            {"name": "nobody"},
            {"name": "machine", "managed_identity": True},
        ],
        "role_assignments": [
            {"assignee": "server", **OWNER},
            {"assignee": "machine", **OWNER},
            {"assignee": "reader", "role": "Web PubSub Service Reader"},
        ],
    },
}
pytestmark = pytest.mark.localhub(CONFIG)


class Answer(NamedTuple):
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Web:
    """Sends requests to the TLS listener of a service."""

    def __init__(self, hub: LocalHub, session: aiohttp.ClientSession) -> None:
        self.hub = hub
        self._session = session
        self._context = ssl.create_default_context(cafile=str(hub.ca_pem_path))

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        url = path if path.startswith("http") else f"{self.hub.tls_endpoint}{path}"
        async with self._session.request(method, url, ssl=self._context, **options) as response:
            return Answer(response.status, response.headers, await response.text())

    async def api(self, path: str, token: str, method: str = "HEAD", **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
        return await self(method, f"/api/hubs/chargers{path}", headers=headers, **options)

    async def ask(self, version: str = "v2.0", **form: str) -> Answer:
        """Ask the token endpoint, as `server` unless the form says otherwise."""
        environment = self.hub.entra_environment("server")
        form = {
            "grant_type": "client_credentials",
            "client_id": environment["AZURE_CLIENT_ID"],
            "client_secret": environment["AZURE_CLIENT_SECRET"],
            **form,
        }
        path = f"/{TENANT}/oauth2/{version}/token".replace("//", "/")
        return await self("POST", path, data={name: one for name, one in form.items() if one})


@pytest_asyncio.fixture
async def web(localhub: LocalHub) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession() as session:
        yield Web(localhub, session)


def issuer(hub: LocalHub) -> Any:
    """What only the issuer knows, to forge tokens with."""
    return hub.control.directory.issuer


def token_of(hub: LocalHub, name: str) -> str:
    (identity,) = (one for one in issuer(hub).identities if one.name == name)
    return issuer(hub).grant(identity, RESOURCE).access_token


def forged(hub: LocalHub, key: Any = None, *, headers: Any = None, **changes: Any) -> str:
    """The token of `server` with other claims; None takes one out."""
    claims = jwt.decode(token_of(hub, "server"), options={"verify_signature": False})
    claims = {name: one for name, one in {**claims, **changes}.items() if one is not None}
    headers = {"kid": issuer(hub).key_id, **(headers or {})}
    headers = {name: one for name, one in headers.items() if one is not None}
    algorithm = headers.pop("alg", "RS256")
    if key is None:
        key = issuer(hub).store.signing_key
    # The lower half of PyJWT: the upper one refuses to write nonsense.
    payload = json.dumps(claims).encode()
    return jwt.api_jws.encode(payload, key, algorithm=algorithm, headers=headers)


# -- Microsoft's own libraries --------------------------------------------------------------


def calls(environment: dict[str, str], endpoint: str, credential: str) -> dict[str, Any]:
    """What an application server can do that uses azure-identity and the service SDK."""
    import azure.identity
    from azure.core.exceptions import HttpResponseError
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    if credential == "ClientSecretCredential":
        made = azure.identity.ClientSecretCredential(
            environment["AZURE_TENANT_ID"],
            environment["AZURE_CLIENT_ID"],
            environment["AZURE_CLIENT_SECRET"],
            authority=environment["AZURE_AUTHORITY_HOST"],
            disable_instance_discovery=True,
        )
    else:
        made = getattr(azure.identity, credential)()
    client = WebPubSubServiceClient(endpoint, "chargers", made)

    def attempt(call: Any) -> Any:
        try:
            return call()
        except HttpResponseError as error:
            return error.status_code

    with made, client:
        return {
            "exists": attempt(lambda: client.group_exists("g")),
            "send": attempt(lambda: client.send_to_all("hi", content_type="text/plain")),
            "token": attempt(lambda: client.get_client_access_token(user_id="u")),
        }


@pytest.fixture
def as_principal(localhub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> Any:
    async def run(name: str, credential: str) -> dict[str, Any]:
        environment = localhub.entra_environment(name)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        return await asyncio.to_thread(calls, environment, localhub.tls_endpoint, credential)

    return run


@pytest.mark.parametrize(
    ("name", "credential"),
    [
        ("server", "ClientSecretCredential"),
        ("machine", "ManagedIdentityCredential"),
    ],
)
async def test_an_owner_may_do_everything(localhub, as_principal, connect, name, credential):
    done = await as_principal(name, credential)
    assert (done["exists"], done["send"]) == (False, None)
    # The token is for the endpoint by which the caller knows the service.
    assert done["token"]["baseUrl"] == f"wss{localhub.tls_endpoint[5:]}/client/hubs/chargers"
    claims = jwt.decode(done["token"]["token"], options={"verify_signature": False})
    assert claims["aud"] == f"{localhub.tls_endpoint}/client/hubs/chargers"
    client = await connect(localhub, query=f"access_token={done['token']['token']}")
    assert client.connected["userId"] == "u"


async def test_a_reader_may_look(as_principal):
    done = await as_principal("reader", "ClientSecretCredential")
    assert done == {"exists": False, "send": 403, "token": 403}


async def test_without_a_role_nothing_is_allowed(as_principal):
    done = await as_principal("nobody", "ClientSecretCredential")
    assert done == {"exists": 403, "send": 403, "token": 403}


async def test_a_virtual_machine(localhub, as_principal, monkeypatch):
    """The other kind of managed identity endpoint, by the variable that moves it."""
    place = localhub.entra_environment("machine")["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
    assert place.startswith(f"{localhub.tls_endpoint}/")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", place)
    monkeypatch.setattr(localhub, "entra_environment", lambda name: {})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(localhub.ca_pem_path))
    done = await as_principal("machine", "ManagedIdentityCredential")
    assert (done["exists"], done["send"]) == (False, None)


# -- the issuer -----------------------------------------------------------------------------


async def test_metadata_and_keys(web):
    for infix, version in (("", ""), ("/v2.0", "v2.0")):
        answer = await web("GET", f"/{TENANT}{infix}/.well-known/openid-configuration")
        metadata = answer.json
        assert metadata["issuer"] == f"{web.hub.tls_endpoint}/{TENANT}/{version}"
        keys = (await web("GET", metadata["jwks_uri"])).json["keys"]
        assert [(one["kty"], one["use"], one["alg"]) for one in keys] == [("RSA", "sig", "RS256")]
        assert not {"d", "p", "q"} & set(keys[0])
        token = (await web.ask(scope=f"{RESOURCE}/.default")).json["access_token"]
        public = jwt.PyJWK(keys[0]).key
        claims = jwt.decode(token, public, algorithms=["RS256"], audience=RESOURCE)
        assert jwt.get_unverified_header(token)["kid"] == keys[0]["kid"]
        assert (claims["tid"], claims["ver"]) == (TENANT, "1.0")


async def test_both_versions_of_the_token_endpoint(web):
    for resource in (RESOURCE, f"{RESOURCE}/"):
        second = await web.ask(scope=f"{resource}/.default")
        assert second.json["token_type"] == "Bearer"
        assert 3500 < second.json["expires_in"] <= 3600
        first = await web.ask("", resource=resource)
        assert int(first.json["expires_on"]) > time.time() + 3500
        for answer in (first, second):
            assert answer.headers["Cache-Control"] == "no-store"
            assert (await web.api("/groups/g", answer.json["access_token"])).status == 404


async def test_a_secret_in_the_header(web):
    environment = web.hub.entra_environment("server")
    pair = f"{environment['AZURE_CLIENT_ID']}:{SECRET.replace(' ', '+')}"
    form = {"grant_type": "client_credentials", "scope": f"{RESOURCE}/.default"}
    path = f"/{TENANT}/oauth2/v2.0/token"
    for value, status in ((pair, 200), (pair + "x", 401), ("", 400)):
        header = {"Authorization": "Basic " + base64.b64encode(value.encode()).decode()}
        assert (await web("POST", path, data=form, headers=header)).status == status
    header = {"Authorization": "Basic %%%"}
    assert (await web("POST", path, data=form, headers=header)).status == 400


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, 400, "invalid_request", 900144),
        ({"client_id": ""}, 400, "invalid_request", 900144),
        ({"client_id": TENANT}, 400, "unauthorized_client", 700016),
        ({"client_id": "\x00" * 300}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": ""}, 400, "unsupported_grant_type", 70003),
        ({"scope": ""}, 400, "invalid_scope", 1002012),
        ({"scope": RESOURCE}, 400, "invalid_scope", 1002012),
        ({"scope": f"{RESOURCE}/.default openid"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://vault.azure.net/.default"}, 400, "invalid_resource", 500011),
    ],
)
async def test_requests_that_get_no_token(web, caplog, form, status, error, number):
    with caplog.at_level(logging.DEBUG):
        answer = await web.ask(**{"scope": f"{RESOURCE}/.default", **form})
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.json["error_codes"] == [number]
    assert f"AADSTS{number}: " in answer.json["error_description"]
    log = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("localhub"))
    assert SECRET not in answer.text + log
    assert "wrong" not in log


async def test_forms_that_are_none(web):
    path = f"/{TENANT}/oauth2/v2.0/token"
    for body, kind in (
        (b"{}", "application/json"),
        (b"a=%ff&grant_type=client_credentials", "application/x-www-form-urlencoded"),
        (b"client_id=a&client_id=b", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded; charset=nonsense"),
        (b"", "multipart/form-data"),
    ):
        answer = await web("POST", path, data=body, headers={"Content-Type": kind})
        assert answer.status == 400, body


async def test_rubbish_gets_no_500(localhub):
    """Bytes that no HTTP library sends, on each of the issuer's paths."""
    context = ssl.create_default_context(cafile=str(localhub.ca_pem_path))
    port = int(localhub.tls_endpoint.rpartition(":")[2])
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    for head, body in (
        (b"GET /msi/token?resource=x HTTP/1.1\r\nX-IDENTITY-HEADER: \xff\xfe\r\n", b""),
        (
            b"GET /metadata/identity/oauth2/token?resource=%ff%0a HTTP/1.1\r\nMetadata: true\r\n",
            b"",
        ),
        (b"GET /%0a%00%ff/discovery/keys HTTP/1.1\r\n", b""),
        (f"POST /{TENANT}/oauth2/token HTTP/1.1\r\n".encode() + form, b"client_id=%ff&a=%"),
        (
            f"POST /{TENANT}/oauth2/token HTTP/1.1\r\n".encode()
            + form
            + b"Content-Encoding: gzip\r\n",
            b"no gzip",
        ),
        (
            f"POST /{TENANT}/oauth2/token HTTP/1.1\r\n".encode()
            + form
            + b"Authorization: Basic \xff\xfe\r\n",
            b"grant_type=client_credentials&resource=x",
        ),
    ):
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        fields = b"Host: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + fields + body)
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.transport.abort()
        assert answer[:10] == b"HTTP/1.1 4", (head, answer)


async def test_the_log_keeps_its_lines(web, caplog):
    with caplog.at_level(logging.INFO):
        await web("GET", "/%0aforged%0d/discovery/keys")
        await web.ask(client_id="a\nforged", scope=f"{RESOURCE}/.default")
    (*_, first, second) = [r.getMessage() for r in caplog.records if r.name == "localhub.entra"]
    assert first == "Refused /%0Aforged%0D/discovery/keys: 400 AADSTS90002"
    assert "forged" not in second


async def test_another_tenant(web):
    for path in ("v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"):
        answer = await web("GET", f"/common/{path}")
        assert (answer.status, answer.json["error"]) == (400, "invalid_tenant")


async def test_the_issuer_is_silent_without_tls(web, localhub):
    for path in (
        f"{TENANT}/v2.0/.well-known/openid-configuration",
        f"{TENANT}/discovery/keys",
        f"metadata/identity/oauth2/token?resource={RESOURCE}",
    ):
        answer = await web("GET", f"{localhub.endpoint}/{path}", headers={"Metadata": "true"})
        assert answer.status == 400
        assert "https://" in answer.json["error_description"]


async def test_managed_identity_endpoints_want_their_header(web, localhub):
    header = localhub.entra_environment("machine")["IDENTITY_HEADER"]
    query = f"?resource={RESOURCE}&api-version=2019-08-01"
    machine = f"/imds/{header}/metadata/identity/oauth2/token"
    # A proxy that tells nothing about itself would bring in everybody.
    for path, headers, status in (
        ("/metadata/identity/oauth2/token", {"Metadata": "true"}, 401),
        ("/imds/x/metadata/identity/oauth2/token", {"Metadata": "true"}, 401),
        ("/imds/%C3%A9%FF/metadata/identity/oauth2/token", {"Metadata": "true"}, 401),
        ("/msi/token", {"X-IDENTITY-HEADER": header}, 200),
        ("/msi/token", {"X-IDENTITY-HEADER": "x"}, 401),
        ("/msi/token", {}, 401),
        (machine, {"Metadata": "true"}, 200),
        (machine, {}, 400),
        (machine, {"Metadata": "true", "X-Forwarded-For": "h"}, 400),
    ):
        answer = await web("GET", path + query, headers=headers)
        assert answer.status == status, path
        assert (status == 200) == ("access_token" in answer.json)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("resource=https://vault.azure.net", 400),
        (f"resource={RESOURCE}&client_id={TENANT}", 400),
        (f"resource={RESOURCE}", 200),
    ],
)
async def test_requests_of_a_managed_identity(web, localhub, query, status):
    header = localhub.entra_environment("machine")["IDENTITY_HEADER"]
    path = f"/imds/{header}/metadata/identity/oauth2/token?{query}"
    assert (await web("GET", path, headers={"Metadata": "true"})).status == status


async def test_several_managed_identities():
    principals = [{"name": name, "managed_identity": True} for name in ("a", "b")]
    config = {"service": {"tls": {}}, "entra": {"principals": principals}}
    async with LocalHub(config) as hub, aiohttp.ClientSession() as session:
        web = Web(hub, session)
        header = hub.entra_environment("A")["IDENTITY_HEADER"]
        path = f"/imds/{header}/metadata/identity/oauth2/token?resource={RESOURCE}"
        headers = {"Metadata": "true"}
        assert "specify the clientId" in (await web("GET", path, headers=headers)).text
        wanted = hub.entra_environment("B")["AZURE_CLIENT_ID"]
        answer = await web("GET", f"{path}&client_id={wanted}", headers=headers)
        assert answer.json["client_id"] == wanted


async def test_key_and_secrets_outlive_a_restart(tmp_path):
    config = {**CONFIG, "service": {"tls": {}, "state_file": str(tmp_path / "hub.json")}}
    tokens, secrets = [], []
    for _ in range(2):
        async with LocalHub(config) as hub, aiohttp.ClientSession() as session:
            tokens.append(token_of(hub, "server"))
            environments = [hub.entra_environment(name) for name in ("reader", "machine")]
            secrets.append(
                (environments[0]["AZURE_CLIENT_SECRET"], environments[1]["IDENTITY_HEADER"])
            )
            header = {"Authorization": f"Bearer {tokens[0]}"}
            url = f"{hub.endpoint}/api/hubs/chargers/groups/g"
            issued_by = jwt.decode(tokens[0], options={"verify_signature": False})["iss"]
            async with session.head(url, headers=header) as response:
                # The port is another one, and with it the issuer's name: the key is the same.
                right = hub.tls_endpoint in issued_by
                assert response.status == (404 if right else 401)
    assert secrets[0] == secrets[1]
    kept = (tmp_path / "entra.json").read_text()
    assert secrets[0][0] in kept
    assert SECRET not in kept
    ids = [jwt.get_unverified_header(token)["kid"] for token in tokens]
    assert ids[0] == ids[1]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "entra.json").stat().st_mode) == 0o600


async def test_secrets_are_in_no_repr(localhub):
    environment = localhub.entra_environment("reader")
    directory = localhub.control.directory
    identities = issuer(localhub).identities
    grant = issuer(localhub).grant(identities[0], RESOURCE)
    shown = repr((localhub, localhub.config, directory, issuer(localhub).store, identities, grant))
    for secret in (SECRET, environment["AZURE_CLIENT_SECRET"], grant.access_token):
        assert secret not in shown


# -- the check of tokens --------------------------------------------------------------------


async def test_tokens_that_count(localhub, web):
    now = int(time.time())
    for token in (
        token_of(localhub, "server"),
        forged(localhub, aud=f"{RESOURCE}/"),
        forged(localhub, aud=["https://vault.azure.net", RESOURCE]),
        forged(localhub, iss=f"{localhub.tls_endpoint}/{TENANT}/v2.0", ver="2.0"),
        forged(localhub, exp=now - 200),
        forged(localhub, nbf=now + 200, iat=now + 200),
        forged(localhub, nbf=None, iat=None),
    ):
        assert (await web.api("/groups/g", token)).status == 404
    # Plain http is the SDKs' concern, not the service's.
    header = {"Authorization": f"Bearer {token_of(localhub, 'server')}"}
    url = f"{localhub.endpoint}/api/hubs/chargers/groups/g"
    assert (await web("HEAD", url, headers=header)).status == 404


def refused_tokens(hub: LocalHub) -> dict[str, tuple[str, str]]:
    now = int(time.time())
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    own = issuer(hub).store.signing_key.public_key()
    pem = own.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = forged(hub)
    head, body, signature = good.split(".")
    return {
        "expired": (forged(hub, exp=now - 400), "expired"),
        "too early": (forged(hub, nbf=now + 400), "not valid yet"),
        "far future": (forged(hub, nbf=10**12), "not valid yet"),
        "no clock holds it": (forged(hub, exp=float("inf")), "not a valid JWT"),
        "expiry as text": (forged(hub, exp="soon"), "not a valid JWT"),
        "no expiry": (forged(hub, exp=None), "lacks the claim 'exp'"),
        "no issuer": (forged(hub, iss=None), "lacks the claim 'iss'"),
        "another issuer": (forged(hub, iss="https://sts.windows.net/x/"), "issuer"),
        "a number as issuer": (forged(hub, iss=7), "issuer"),
        "a list as issuer": (forged(hub, iss=[["x"]]), "issuer"),
        "another tenant": (forged(hub, tid=RESOURCE), f"not of tenant {TENANT}"),
        "no tenant": (forged(hub, tid=None), "not of tenant"),
        "no object id": (forged(hub, oid=None), "lacks the claim 'oid'"),
        "an object id that is none": (forged(hub, oid=["a"]), "lacks the claim 'oid'"),
        "another issuer's key": (forged(hub, foreign), "signature is wrong"),
        "a key nobody knows": (forged(hub, foreign, headers={"kid": "x"}), "does not have"),
        "no key id": (forged(hub, headers={"kid": None}), "lacks 'kid'"),
        "no signature": (f"{head}.{body}.", "signature is wrong"),
        "another signature": (f"{head}.{body}.{signature[:-8]}AAAAAAAA", "signature is wrong"),
        "no algorithm": (forged(hub, "", headers={"alg": "none"}), "RS256"),
        "another algorithm": (forged(hub, curve, headers={"alg": "ES256"}), "RS256"),
        "the access key": (
            forged(hub, hub.control.keys.primary, headers={"alg": "HS256"}),
            "RS256",
        ),
        "the public key as a shared one": (_hs256(hub, pem), "RS256"),
        "the issuing key": (
            forged(hub, hub.control.keys.issuing, headers={"alg": "HS256"}),
            "RS256",
        ),
    }


def _hs256(hub: LocalHub, key: bytes) -> str:
    """PyJWT refuses to sign like this; an attacker has no such scruples."""
    import hashlib
    import hmac

    def encoded(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = {"alg": "HS256", "typ": "JWT", "kid": issuer(hub).key_id}
    body = forged(hub).split(".")[1]
    signed = f"{encoded(json.dumps(head).encode())}.{body}"
    return f"{signed}.{encoded(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


async def test_tokens_that_are_refused(localhub, web, caplog):
    with caplog.at_level(logging.DEBUG):
        for name, (token, said) in refused_tokens(localhub).items():
            answer = await web.api("/:send", token, "POST", data=b"x")
            assert answer.status == 401, name
            assert answer.json["code"] == "Error.Unauthorized", name
            assert said in answer.json["message"], name
            assert "WWW-Authenticate" not in answer.headers
            assert token not in answer.text
            log = "\n".join(r.getMessage() for r in caplog.records if "localhub" in r.name)
            assert token not in log


async def test_an_entra_token_for_another_resource_is_no_key_either(localhub, web):
    for audience in ("https://management.azure.com", None, 7, ["x"]):
        assert (await web.api("/groups/g", forged(localhub, aud=audience))).status == 401


async def test_an_entra_token_opens_no_connection(localhub, refused):
    status, _ = await refused(localhub, query=f"access_token={token_of(localhub, 'server')}")
    assert status == 401


async def test_keys_work_beside_it(localhub, web):
    url = f"{localhub.tls_endpoint}/api/hubs/chargers/groups/g"
    claims = {"aud": url, "exp": int(time.time()) + 60}
    key = localhub.connection_string.partition("AccessKey=")[2].partition(";")[0]
    assert (await web.api("/groups/g", jwt.encode(claims, key))).status == 404
    assert (await web.api("/groups/g", jwt.encode(claims, "k" * 40))).status == 401


async def test_what_a_403_looks_like(localhub, web):
    answer = await web.api("/:send", token_of(localhub, "reader"), "POST", data=b"x")
    assert (answer.status, answer.json["code"]) == (403, "Error.Forbidden")
    assert "Microsoft.SignalRService/WebPubSub/hub/send/action" in answer.json["message"]
    assert answer.headers["x-ms-error-code"] == "Error.Forbidden"


# -- keys switched off ----------------------------------------------------------------------


@pytest.mark.localhub({**CONFIG, "service": {"tls": {}, "disable_local_auth": True}})
async def test_without_keys_tokens_come_from_the_service_only(localhub, web, connect, refused):
    url = f"{localhub.tls_endpoint}/api/hubs/chargers/groups/g"
    key = localhub.control.keys.primary
    signed = jwt.encode({"aud": url, "exp": int(time.time()) + 60}, key)
    assert (await web.api("/groups/g", signed)).status == 401
    assert (await refused(localhub, user_id="u"))[0] == 401
    query = "userId=CP-7&role=webpubsub.sendToGroup.site&group=site&minutesToExpire=5"
    answer = await web.api(f"/:generateToken?{query}", token_of(localhub, "server"), "POST")
    token = answer.json["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300
    for one in localhub.control.keys.both():
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(token, one, algorithms=["HS256"], options={"verify_aud": False})
    client = await connect(localhub, query=f"access_token={token}")
    assert client.connected["userId"] == "CP-7"
    sent = await client.ask(type="sendToGroup", group="site", data=1, dataType="json", ackId=1)
    assert sent["type"] in ("ack", "message")
    # It is a client's token: it opens no operation.
    assert (await web.api("/groups/g", token)).status == 401


async def test_a_token_for_a_host_that_the_service_does_not_know(localhub, web):
    headers = {"Authorization": f"Bearer {token_of(localhub, 'server')}", "Host": "evil.example"}
    answer = await web("POST", "/api/hubs/chargers/:generateToken", headers=headers)
    claims = jwt.decode(answer.json["token"], options={"verify_signature": False})
    assert claims["aud"] == f"{localhub.endpoint}/client/hubs/chargers"


# -- a real tenant --------------------------------------------------------------------------


def tenant_config(hub: LocalHub, infix: str = "v2.0/", **others: Any) -> dict[str, Any]:
    """A service whose tenant is the local issuer of another one."""
    server = next(one for one in issuer(hub).identities if one.name == "server")
    return {
        "entra": {
            "metadata_url": f"{hub.tls_endpoint}/{TENANT}/{infix}.well-known/openid-configuration",
            "metadata_ca_file": str(hub.ca_pem_path),
            "role_assignments": [{"assignee": server.object_id, **OWNER}],
            **others,
        }
    }


async def status_at(other: LocalHub, token: str) -> int:
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{other.endpoint}/api/hubs/chargers/groups/g"
        async with session.head(url, headers=headers) as response:
            return response.status


@pytest.mark.parametrize("infix", ["v2.0/", ""])
async def test_a_tenant_by_the_url_of_its_metadata(localhub, infix):
    async with LocalHub(tenant_config(localhub, infix)) as other:
        assert await status_at(other, token_of(localhub, "server")) == 404
        assert await status_at(other, token_of(localhub, "reader")) == 403
        for name, (token, _) in refused_tokens(localhub).items():
            if "tenant" not in name:
                assert await status_at(other, token) == 401, name
        assert other.entra_principals == ()


async def test_a_tenant_that_tokens_must_name(localhub):
    config = tenant_config(localhub, tenant_id=TENANT)
    async with LocalHub(config) as other:
        assert await status_at(other, token_of(localhub, "server")) == 404
        assert await status_at(other, forged(localhub, tid=None)) == 401


async def test_new_keys_of_a_tenant_are_found(localhub, monkeypatch):
    from localhub.entra import tenant

    async with LocalHub(tenant_config(localhub)) as other:
        assert await status_at(other, token_of(localhub, "server")) == 404
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        monkeypatch.setitem(issuer(localhub).store.__dict__, "signing_key", key)
        monkeypatch.setitem(issuer(localhub).__dict__, "key_id", "rolled")
        # Whoever writes unknown key ids into tokens must not make the service ask each time.
        assert await status_at(other, token_of(localhub, "server")) == 401
        monkeypatch.setattr(tenant, "PAUSE", 0.0)
        assert await status_at(other, token_of(localhub, "server")) == 404


async def test_a_tenant_out_of_reach(localhub, caplog, monkeypatch):
    from localhub.entra import tenant

    config = tenant_config(localhub)
    config["entra"]["metadata_url"] = "https://127.0.0.1:1/t/.well-known/openid-configuration"
    async with LocalHub(config) as other:
        assert await status_at(other, token_of(localhub, "server")) == 503
    assert "No OpenID metadata from https://127.0.0.1:1" in caplog.text
    # With another CA it is out of reach, too.
    config = tenant_config(localhub)
    del config["entra"]["metadata_ca_file"]
    async with LocalHub(config) as other:
        assert await status_at(other, token_of(localhub, "server")) == 503
    # Once known, keys stay good while the tenant is away.
    monkeypatch.setattr(tenant, "KEEP", 0.0)
    async with LocalHub(CONFIG) as away:
        token = token_of(away, "server")
        other = LocalHub(tenant_config(away))
        await other.start()
        assert await status_at(other, token) == 404
    monkeypatch.setattr(tenant, "PAUSE", 0.0)
    assert await status_at(other, token) == 404
    await other.stop()


@pytest.mark.parametrize("content", [None, b"", b"rubbish"])
async def test_a_ca_file_that_is_none(tmp_path, content):
    from localhub import ConfigError

    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    entra = {"metadata_url": "https://h/t/v2.0/.well-known/x", "metadata_ca_file": "ca.pem"}
    path = tmp_path / "hub.toml"
    lines = [f'{name} = "{value}"' for name, value in entra.items()]
    path.write_text("\n".join(["[entra]", *lines]))
    with pytest.raises(ConfigError, match=r"ca\.pem: ") as error:
        LocalHub(path)
    assert Path("ca.pem").name in str(error.value)


METADATA: dict[str, Any] = {
    "no keys": {"issuer": "https://h/"},
    "no issuer": {"jwks_uri": "https://h/keys"},
    "keys without tls": {"issuer": "https://h/", "jwks_uri": "http://127.0.0.1/keys"},
    "any tenant": {"issuer": "https://h/{tenantid}/", "jwks_uri": "https://h/keys"},
    "a redirect": None,
}


@pytest.mark.parametrize("name", list(METADATA))
async def test_metadata_that_is_of_no_use(localhub, monkeypatch, caplog, name):
    """Whatever the issuer says: it is checked, and the call gets a 503."""
    from aiohttp import web as server

    content = METADATA[name]
    keys = issuer(localhub).keys()

    async def metadata(request: server.Request) -> server.Response:
        if content is None:
            raise server.HTTPFound("/elsewhere")
        here = f"https://{request.host}"
        text = json.dumps(content).replace("https://h/keys", f"{here}/keys")
        return server.Response(text=text, content_type="application/json")

    async def key_set(request: server.Request) -> server.Response:
        return server.json_response(keys)

    app = server.Application()
    app.add_routes([server.get("/t/x", metadata), server.get("/keys", key_set)])
    runner = server.AppRunner(app, access_log=None)
    await runner.setup()
    context = LocalAuthority(localhub.ca_pem_path.parent).server_context("localhost")
    await server.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    config = tenant_config(localhub)
    config["entra"]["metadata_url"] = f"https://localhost:{runner.addresses[0][1]}/t/x"
    async with LocalHub(config) as other:
        assert await status_at(other, token_of(localhub, "server")) == 503
    await runner.cleanup()
    assert "No OpenID metadata from https://localhost" in caplog.text


async def test_key_sets_with_other_keys(localhub):
    """Small keys, keys for encryption and other kinds are passed over."""
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm
    from localhub.entra.tenant import read_keys

    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    good = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    entries = [
        {**RSAAlgorithm.to_jwk(small, as_dict=True), "kid": "small"},
        {**RSAAlgorithm.to_jwk(good, as_dict=True), "kid": "encrypts", "use": "enc"},
        {**RSAAlgorithm.to_jwk(good, as_dict=True)},
        {**ECAlgorithm.to_jwk(curve, as_dict=True), "kid": "curve"},
        {**RSAAlgorithm.to_jwk(good, as_dict=True), "kid": "good"},
    ]
    assert list(read_keys({"keys": entries})) == ["good"]
