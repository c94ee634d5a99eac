"""The service's own identity towards event handlers, and Microsoft Entra ID switched off."""

from __future__ import annotations

import logging
import ssl
import time

import aiohttp
import jwt
import pytest
from localhub import ConfigError, LocalHub

HANDLER = "api://7d1f5a30-0000-4000-8000-00000000abcd"
AUTH = {"type": "ManagedIdentity", "managed_identity": {"resource": HANDLER}}
ENTRA = {
    "principals": [{"name": "server"}],
    "role_assignments": [{"assignee": "server", "role": "Web PubSub Service Owner"}],
}


def config_of(handler, *handlers, **service):
    config = handler.config({"tls": {}, **service})
    config["hubs"][0]["event_handlers"] = list(handlers)
    return {**config, "entra": ENTRA}


async def signing_key(hub, key_id):
    """What a handler does: metadata of the tenant, then its keys."""
    context = ssl.create_default_context(cadata=hub.ca_der)
    tenant = hub.entra_environment("server")["AZURE_TENANT_ID"]
    async with aiohttp.ClientSession() as session:

        async def get(url):
            async with session.get(url, ssl=context) as response:
                return await response.json()

        url = f"{hub.tls_endpoint}/{tenant}/.well-known/openid-configuration"
        metadata = await get(url)
        keys = (await get(metadata["jwks_uri"]))["keys"]
    (found,) = (one for one in keys if one["kid"] == key_id)
    return metadata["issuer"], jwt.PyJWK(found)


async def test_every_event_carries_a_token_that_a_handler_can_check(handler, connect, caplog):
    config = config_of(handler, handler.settings(auth=AUTH))
    with caplog.at_level(logging.DEBUG):
        async with LocalHub(config) as hub:
            client = await connect(hub, user_id="u")
            await client.ask(type="event", event="e", data=1, ackId=1)
            await client.leave()
            await handler.wait_for("disconnected")
            shown = [
                event.headers.get("Authorization")
                for event in handler.events
                if event.method == "POST"
            ]
            assert len(shown) == 4
            assert len(set(shown)) == 1
            scheme, _, token = shown[0].partition(" ")
            assert scheme == "Bearer"
            issuer, key = await signing_key(hub, jwt.get_unverified_header(token)["kid"])
            claims = jwt.decode(token, key, algorithms=["RS256"], audience=HANDLER, issuer=issuer)
            assert claims["exp"] > time.time() + 600
            assert claims["oid"] == claims["sub"]
            # It is nobody who may call the data plane: another audience, and no role.
            async with aiohttp.ClientSession() as session:
                url = f"{hub.endpoint}/api/hubs/chargers/groups/g"
                async with session.head(url, headers={"Authorization": shown[0]}) as answer:
                    assert answer.status == 401
    (asked,) = (event for event in handler.events if event.method == "OPTIONS")
    assert "Authorization" not in asked.headers
    assert token not in caplog.text


async def test_handlers_without_it_are_shown_none(handler, connect):
    config = config_of(
        handler,
        handler.settings(auth={"type": "None"}, system_events=["connect"], user_event_pattern=""),
        handler.settings(auth=AUTH, system_events=["connected"], user_event_pattern=""),
        handler.settings(user_event_pattern="e", system_events=[]),
    )
    async with LocalHub(config) as hub:
        client = await connect(hub)
        await client.ask(type="event", event="e", data=1, ackId=1)
        await handler.wait_for("connected")
    with_token = {e.name for e in handler.events if "Authorization" in e.headers}
    assert with_token == {"connected"}


async def test_the_token_is_renewed_in_time(handler, connect, monkeypatch):
    async with LocalHub(config_of(handler, handler.settings(auth=AUTH))) as hub:
        await connect(hub)
        now = time.time()
        monkeypatch.setattr("localhub.entra.issuer.time.time", lambda: now + 3000)
        await connect(hub)
        old, new = (one.headers["Authorization"] for one in handler.named("connect"))
        assert old != new


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"type": "ManagedIdentity"}, "managed_identity = { resource"),
        ({"type": "None", "managed_identity": {"resource": "x"}}, "ManagedIdentity"),
        ({"type": "ManagedIdentity", "managed_identity": {"resource": ""}}, "resource"),
        ({"type": "ManagedIdentity", "managed_identity": {}}, "resource: missing"),
        ({"type": "Basic"}, "'None' or 'ManagedIdentity'"),
        (AUTH, "needs the local issuer"),
    ],
)
def test_mistakes(auth, said):
    handler = {"url_template": "http://127.0.0.1:1/", "auth": auth}
    with pytest.raises(ConfigError, match="auth") as error:
        LocalHub({"hubs": [{"name": "chargers", "event_handlers": [handler]}]})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_real_tenant_gives_no_identity():
    handler = {"url_template": "http://127.0.0.1:1/", "auth": AUTH}
    hubs = [{"name": "chargers", "event_handlers": [handler]}]
    url = "https://login.example/tenant/v2.0/.well-known/openid-configuration"
    with pytest.raises(ConfigError, match="without metadata_url"):
        LocalHub({"hubs": hubs, "entra": {"metadata_url": url}})


# -- switched off ---------------------------------------------------------------------------


@pytest.mark.parametrize("entra", [ENTRA, None])
@pytest.mark.parametrize("keys_too", [False, True])
async def test_entra_id_can_be_switched_off(handler, connect, entra, keys_too):
    config = config_of(handler, disable_aad_auth=True, disable_local_auth=keys_too)
    async with LocalHub({**config, "entra": ENTRA}) as hub:
        identity = hub.control.directory.issuer.identities[0]
        token = hub.control.directory.issuer.grant(
            identity, "https://webpubsub.azure.com"
        ).access_token
    if entra is None:
        del config["entra"]
    async with LocalHub(config) as hub, aiohttp.ClientSession() as session:
        if entra is not None:
            token = hub.control.directory.issuer.grant(
                identity, "https://webpubsub.azure.com"
            ).access_token
        url = f"{hub.endpoint}/api/hubs/chargers/:generateToken"
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(url, headers=headers) as answer:
            assert answer.status == 401
            assert "disable_aad_auth" in (await answer.json())["message"]
        key = hub.connection_string.partition("AccessKey=")[2].partition(";")[0]
        signed = jwt.encode({"aud": url, "exp": time.time() + 60}, key)
        headers = {"Authorization": f"Bearer {signed}"}
        async with session.post(url, headers=headers) as answer:
            assert answer.status == (401 if keys_too else 200)
        await (await connect(hub)).quiet()
