"""Who is let in: URLs, hub names, tokens, the anonymous policy, subprotocols."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from aiohttp import ClientSession
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from cryptography.hazmat.primitives.asymmetric import rsa
from localhub import LocalHub
from localhub.auth.keys import AccessKeys
from localhub.auth.tokens import TokenValidator
from localhub.errors import TokenError
from yarl import URL

from tests.support.protocol import JSON, RELIABLE_JSON

PRIMARY = "p" * 20 + "0123456789abcdefghij"
SECONDARY = "s" * 20 + "0123456789abcdefghij"
CONFIG = {
    "service": {"access_key": PRIMARY, "secondary_access_key": SECONDARY},
    "hubs": [
        {"name": "chargers", "anonymous_connect_policy": "Allow"},
        {"name": "Private"},
    ],
}
pytestmark = pytest.mark.localhub(CONFIG)


def token(localhub: LocalHub, key: str = PRIMARY, algorithm: str = "HS256", **claims) -> str:
    audience = f"{localhub.endpoint}/client/hubs/private"
    return jwt.encode(
        {"aud": audience, "exp": time.time() + 60, **claims}, key, algorithm=algorithm
    )


@pytest.mark.parametrize(
    "path", ["/client/hubs/chargers", "/client?hub=chargers", "/client/?hub=CHARGERS&x=1"]
)
async def test_both_forms_of_the_url(localhub, connect, path):
    client = await connect(localhub, localhub.endpoint.replace("http", "ws") + path)
    assert list(client.connected) == ["type", "event", "userId", "connectionId"]
    assert client.connected["userId"] is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/client", "No hub"),
        ("/client/hubs/1abc", "Illegal hub name"),
        ("/client/hubs/a%20b", "Illegal hub name"),
        ("/client/?hub=a/b", "Illegal hub name"),
        (f"/client/hubs/{'a' * 129}", "Illegal hub name"),
        ("/client/?hub=chargers&webpubsub_mode=shout", "webpubsub_mode"),
        ("/client/?hub=chargers&webpubsub_mode=sendToGroup", "a legal group"),
        ("/client/?hub=chargers&webpubsub_mode=sendToGroup&group=a&group=", "a legal group"),
        ("/client/?hub=chargers&webpubsub_mode=sendToGroup&group=a&noEcho=1", "noEcho"),
    ],
)
async def test_bad_requests_are_400(localhub, refused, path, text):
    status, body = await refused(localhub, localhub.endpoint.replace("http", "ws") + path)
    assert status == 400
    assert text in body


async def test_percent_sequences_that_are_no_utf_8(localhub, connect, refused):
    for query, status in (
        ("access_token=%FF%FE", 401),
        ("webpubsub_mode=%FF", 400),
        ("webpubsub_mode=sendToGroup&group=%ED%A0%80&noEcho=%FF", 400),
    ):
        assert (await refused(localhub, query=query))[0] == status
    client = await connect(
        localhub, query="awps_connection_id=%FF&awps_reconnection_token=%ED%A0%80"
    )
    assert (await client.close_code())[0] == 1008
    status, _ = await refused(localhub, headers={"Authorization": "Bearer \u00e4.\u00f6.x"})
    assert status == 401


async def test_unknown_paths_are_404(localhub, refused):
    status, _ = await refused(localhub, localhub.endpoint.replace("http", "ws") + "/clients")
    assert status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"Upgrade": ""},
        {"Connection": "close"},
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "\u00e4" * 24},
        {"Sec-WebSocket-Protocol": "a b"},
        {"Sec-WebSocket-Protocol": "\u00fc"},
    ],
)
async def test_what_is_no_websocket_request_is_400(localhub, raw_socket, change):
    headers = {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        **change,
    }
    peer = await raw_socket(localhub)
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    peer.write("\r\n".join(["GET /client/hubs/chargers HTTP/1.1", *lines, "", ""]).encode())
    assert (await peer.reader.readline()).startswith(b"HTTP/1.1 400 ")


# -- tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
@pytest.mark.parametrize("where", ["query", "header"])
async def test_a_token_signed_with_either_key(localhub, connect, key, where):
    text = token(localhub, key, sub="cp-7")
    query, headers = f"access_token={text}", {"Authorization": f"Bearer {text}"}
    client = await connect(
        localhub,
        name="private",
        query=query if where == "query" else "",
        headers=headers if where == "header" else None,
    )
    assert client.connected["userId"] == "cp-7"


async def test_the_token_in_the_query_comes_first(localhub, connect, refused):
    good, bad = token(localhub, sub="a"), token(localhub, "x" * 40)
    client = await connect(
        localhub,
        name="private",
        query=f"access_token={good}",
        headers={"Authorization": f"Bearer {bad}"},
    )
    assert client.connected["userId"] == "a"


async def test_tokens_of_microsofts_service_sdk(localhub, connect):
    with WebPubSubServiceClient.from_connection_string(
        localhub.connection_string, hub="Private"
    ) as service:
        made = service.get_client_access_token(
            user_id="u", roles=["webpubsub.joinLeaveGroup"], groups=["a", "b"]
        )
    client = await connect(localhub, made["url"])
    (info,) = localhub.control.connections("private")
    assert info.id == client.id
    assert info.user_id == "u"
    assert info.groups == {"a", "b"}


def _rs256(localhub: LocalHub) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return token(localhub, key, "RS256")


def _without_algorithm(localhub: LocalHub) -> str:
    return token(localhub, "", "none")


def _claims_exchanged(localhub: LocalHub) -> str:
    head, _, signature = token(localhub, sub="a").split(".")
    claims = {"aud": f"{localhub.endpoint}/client/hubs/private", "exp": 9e9, "sub": "admin"}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


BAD_TOKENS = {
    "wrong key": (lambda hub: token(hub, "x" * 40), "neither the primary nor the secondary"),
    "expired": (lambda hub: token(hub, exp=time.time() - 301), "expired"),
    "not yet": (lambda hub: token(hub, nbf=time.time() + 302), "not valid yet"),
    "no exp": (lambda hub: token(hub, exp=None), "exp"),
    "endless exp": (lambda hub: token(hub, exp=float("inf")), "not a valid JWT"),
    "exp is a list": (lambda hub: token(hub, exp=[1]), "not a valid JWT"),
    "no aud": (lambda hub: token(hub, aud=None), "aud"),
    "other hub": (lambda hub: token(hub, aud=f"{hub.endpoint}/client/hubs/x"), "audience"),
    "other host": (lambda hub: token(hub, aud="https://h.net/client/hubs/private"), "audience"),
    "another scheme": (
        lambda hub: token(hub, aud=hub.endpoint.replace("http", "ftp") + "/client/hubs/private"),
        "audience",
    ),
    "wss, other hub": (
        lambda hub: token(hub, aud=hub.endpoint.replace("http", "wss") + "/client/hubs/x"),
        "audience",
    ),
    "rest audience": (lambda hub: token(hub, aud=f"{hub.endpoint}/api/hubs/private"), "audience"),
    "aud is a number": (lambda hub: token(hub, aud=7), "audience"),
    "alg none": (_without_algorithm, "HS256"),
    "HS512": (lambda hub: token(hub, PRIMARY * 2, algorithm="HS512"), "HS256"),
    "RS256": (_rs256, "HS256"),
    "claims exchanged": (_claims_exchanged, "neither"),
    "garbage": (lambda hub: "garbage", "not a valid JWT"),
    "sub is a number": (lambda hub: token(hub, sub=7), "sub"),
    "sub breaks a line": (lambda hub: token(hub, sub="a\nb"), "sub"),
}


@pytest.mark.parametrize("name", list(BAD_TOKENS))
@pytest.mark.parametrize("hub_name", ["private", "chargers"])
async def test_bad_tokens_are_401_with_the_reason(localhub, refused, name, hub_name):
    make, reason = BAD_TOKENS[name]
    text = make(localhub)
    status, body = await refused(localhub, name=hub_name, query=f"access_token={text}")
    assert status == 401
    # On the hub that lets anonymous clients in, a bad token is refused all the same.
    assert reason in body or hub_name == "chargers"
    assert text not in body


async def test_no_token_on_a_hub_that_denies_anonymous_clients(localhub, refused):
    for name in ("private", "unlisted"):
        status, body = await refused(localhub, name=name)
        assert status == 401
        assert "denies anonymous" in body


@pytest.mark.parametrize(
    "audience",
    [
        "{endpoint}/client/hubs/private",
        "{endpoint}/client/hubs/PRIVATE/",
        "{endpoint}/client/?hub=private",
        "http://LOCALHOST:{port}/client/hubs/private",
        "https://public.example/client/hubs/private",
        # The URL that a client opens, as Azure's portal signs it (Azure/azure-webpubsub#190).
        "ws://127.0.0.1:{port}/client/hubs/private",
        "wss://127.0.0.1:{port}/client/hubs/private",
        "WSS://public.example/client/hubs/private",
        "wss://public.example/client/?hub=private",
        ["https://elsewhere.example/x", "{endpoint}/client/hubs/private"],
    ],
)
async def test_audiences_that_fit(connect, audience):
    config = {**CONFIG, "service": {**CONFIG["service"]}}
    config["service"]["public_endpoints"] = ["https://public.example:443"]
    async with LocalHub(config) as hub:
        port = hub.endpoint.rpartition(":")[2]
        listed = audience if isinstance(audience, list) else [audience]
        filled = [entry.format(endpoint=hub.endpoint, port=port) for entry in listed]
        aud = filled if isinstance(audience, list) else filled[0]
        await connect(hub, name="private", query=f"access_token={token(hub, aud=aud)}")


async def test_illegal_groups_and_roles_in_a_token_are_400(localhub, refused):
    for claims, text in (
        ({"webpubsub.group": ["ok", " "]}, "group name"),
        ({"role": "webpubsub.joinLeaveGroups.a\\b"}, "Illegal role"),
        ({"role": [f"webpubsub.sendToGroups.{n}*" for n in range(11)]}, "10 group patterns"),
    ):
        status, body = await refused(
            localhub, name="private", query=f"access_token={token(localhub, **claims)}"
        )
        assert status == 400
        assert text in body


async def test_keys_can_be_switched_off(refused):
    config = {**CONFIG, "service": {**CONFIG["service"], "disable_local_auth": True}}
    async with LocalHub(config) as hub:
        status, body = await refused(hub, name="private", user_id="u")
        assert status == 401
        assert "switched off" in body


def test_an_error_about_a_token_never_holds_it():
    validator = TokenValidator(AccessKeys(PRIMARY, SECONDARY))
    text = jwt.encode({"aud": "http://h/client/hubs/a", "exp": 9e9}, "x" * 40)
    with pytest.raises(TokenError) as error:
        validator.claims(text, "a", ["h"])
    assert text not in str(error.value)


# -- subprotocols ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "echoed"),
    [
        (JSON, JSON),
        (RELIABLE_JSON, RELIABLE_JSON),
        ("JSON.webpubsub.Azure.v1", "JSON.webpubsub.Azure.v1"),
        (f"ocpp1.6,{RELIABLE_JSON},{JSON}", RELIABLE_JSON),
        (None, None),
        ("ocpp1.6", None),
    ],
)
async def test_the_first_predefined_subprotocol_is_echoed(localhub, connect, offered, echoed):
    client = await connect(localhub, protocol=offered)
    assert client.websocket.subprotocol == echoed
    if echoed is None:
        assert "Sec-WebSocket-Protocol" not in client.websocket.response.headers


async def test_a_subprotocol_that_is_not_served_is_said_so(localhub, refused):
    status, body = await refused(localhub, protocol="xml.webpubsub.azure.v1")
    assert status == 400
    assert RELIABLE_JSON in body


async def test_no_extension_is_agreed_upon(localhub, connect):
    client = await connect(localhub, options={"compression": "deflate"})
    assert "Sec-WebSocket-Extensions" not in client.websocket.response.headers


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/clients/mqtt/hubs/chargers", "MQTT"),
        ("/clients/mqtt", "MQTT"),
        ("/clients/socketio/hubs/chargers", "Socket.IO"),
        ("/clients/socketio/hubs/chargers/?EIO=4&transport=polling", "Socket.IO"),
        ("/clients/socketio/hubs/a%0Ab", "Socket.IO"),
    ],
)
async def test_clients_that_are_not_served_are_told_so(localhub, path, named):
    async with ClientSession() as session:
        for method in ("GET", "POST", "OPTIONS"):
            async with session.request(method, URL(localhub.endpoint + path, encoded=True)) as one:
                text = await one.text()
            assert one.status == 404
            assert text.startswith(f"{named} is not served here: use a WebSocket client at ")
            assert text.count("\n") == 1
        async with session.get(f"{localhub.endpoint}/clients/other/hubs/x") as one:
            assert (one.status, named in await one.text()) == (404, False)
