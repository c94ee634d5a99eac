"""Whatever arrives anywhere but at the data plane: an answer, no failure, and no secret in it."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localhub import LocalHub

patient = settings(
    deadline=None,
    max_examples=50,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
TENANT = "abcdef00-0000-0000-0000-000000000001"
SECRET = "the secret of the application"
CONFIG = {
    "service": {"tls": {}, "faults": True, "limits": {"request_timeout_in_seconds": 5}},
    "hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}, {"name": "private"}],
    "entra": {
        "tenant_id": TENANT,
        "principals": [
            {"name": "server", "client_secret": SECRET},
            {"name": "machine", "managed_identity": True},
        ],
        "role_assignments": [{"assignee": "server", "role": "Web PubSub Service Owner"}],
    },
}


class Service:
    """A service in a thread of its own, with everything switched on."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.hub = LocalHub(CONFIG)
        self.wait_for(self.hub.start())
        self.context = ssl.create_default_context(cadata=self.hub.ca_der)
        url = self.hub.client_url("private", user_id="u")
        self.token = url.partition("access_token=")[2]
        environment = self.hub.entra_environment("server")
        self.client_id = environment["AZURE_CLIENT_ID"]
        machine = self.hub.entra_environment("machine")
        self.identity_header = machine["IDENTITY_HEADER"]
        keys = (self.hub.connection_string, self.hub.secondary_connection_string)
        self.secrets = [key.partition("AccessKey=")[2].partition(";")[0] for key in keys]
        self.secrets += [self.hub.control.keys.issuing, self.identity_header, SECRET, self.token]
        self.visitor = str(self.hub.page_url).partition("token=")[2]
        self.secrets.append(self.visitor)

    def wait_for(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self) -> None:
        self.wait_for(self.hub.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()

    def exchange(
        self, request: bytes, *, tls: bool = False, patience: float = 20, only_head: bool = False
    ) -> bytes:
        """What the service answers; an upgrade ends with its head."""
        endpoint = self.hub.tls_endpoint if tls else self.hub.endpoint
        port = int(endpoint.rpartition(":")[2])
        received = b""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            peer = self.context.wrap_socket(raw, server_hostname="localhost") if tls else raw
            with peer, suppress(ConnectionError, TimeoutError, ssl.SSLError):
                peer.sendall(request)
                peer.settimeout(patience)
                while part := peer.recv(65536):
                    received += part
                    ends = only_head or received.startswith(b"HTTP/1.1 101")
                    if ends and b"\r\n\r\n" in received:
                        break
        self.wait_for(self._clear())
        return received

    async def _clear(self) -> None:
        self.hub.faults.clear()

    def check(self, answer: bytes, caplog: Any, *, may_have: tuple[str, ...] = ()) -> None:
        """An answer that is none of a failure, and no secret in it or in the log."""
        assert not answer or re.match(rb"HTTP/1\.[01] [1234]\d\d ", answer), answer[:200]
        log = "\n".join(record.getMessage() for record in caplog.records)
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR], log
        for secret in self.secrets:
            assert secret not in log
            assert secret in may_have or secret.encode() not in answer
        caplog.clear()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


@pytest.fixture(autouse=True)
def everything_logged(caplog):
    with caplog.at_level(logging.DEBUG, "localhub"):
        yield


METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "X"]
SEGMENTS = ["client", "clients", "hubs", "chargers", "private", "mqtt", "socketio", ".well-known"]
SEGMENTS += ["openid-configuration", TENANT, "oauth2", "v2.0", "token", "discovery", "keys"]
SEGMENTS += [
    "metadata",
    "identity",
    "msi",
    "faults",
    "1",
    "page",
    "feed",
    "publish",
    "openapi.json",
]
SEGMENTS += ["..", ".", "%2F", "%2e%2e", "%00", "%FF", "%ED%A0%80", "%", "%zz", ":", ":send", ""]
SEGMENTS += ["*", "é", ";", "%3F", "\\", "//h", "%0d%0aX:%20y", "{event}", "a" * 200]
NAMES = ["hub", "access_token", "awps_connection_id", "awps_reconnection_token", "group", "noEcho"]
NAMES += ["webpubsub_mode", "resource", "client_id", "object_id", "api-version", "x", "%FF", ""]
odd = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "chargers", "private", "%00", "%FF", "%0d%0a", "sendToGroup", "true"]),
)
SEGMENTS += ["imds", "IDENTITY", "page", "main.js", "VISITOR"]
NAMES += ["token"]
HEADERS = ["Host", "Origin", "Authorization", "Metadata", "X-IDENTITY-HEADER", "Content-Type"]
HEADERS += ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Cookie"]
HEADERS += ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X-Forwarded-For", "Expect"]
HEADERS += ["Content-Length", "Transfer-Encoding", "Content-Encoding", "Forwarded", "Accept"]
VALUES = ["chunked", "gzip", "100-continue", "-1", "Bearer ", "Basic Og==", "Basic \xff", "true"]
VALUES += ["json.webpubsub.azure.v1", "a b", ",,,", "websocket", "13", "null", "http://[", "*/*"]
VALUES += ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
values = st.one_of(
    st.text(max_size=20),
    st.sampled_from(VALUES),
)


def one_line(text: str) -> str:
    return "".join(character for character in text if character not in " \r\n\t\v\f\0")


def written(service: Service, text: str) -> bytes:
    """A head with the secrets in place that a caller may know."""
    text = text.replace("TOKEN", service.token).replace("IDENTITY", service.identity_header)
    return text.replace("VISITOR", service.visitor).encode("utf-8", "surrogatepass")


@patient
@given(
    st.sampled_from(METHODS),
    st.lists(st.one_of(st.sampled_from(SEGMENTS), st.text(max_size=5)), max_size=6),
    st.lists(st.tuples(st.sampled_from(NAMES), odd), max_size=3),
    st.booleans(),
)
def test_paths_and_queries_of_all_kinds(service, caplog, method, segments, query, tls):
    path = one_line("/" + "/".join(segments))
    text = one_line("&".join(f"{name}={value}" for name, value in query))
    head = f"{method} {path}?{text}&access_token=TOKEN HTTP/1.1\r\nHost: h\r\n"
    head += "Authorization: Bearer TOKEN\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    service.check(service.exchange(written(service, head), tls=tls), caplog)


PLACES = [
    ("GET", "/client/hubs/chargers", False),
    ("GET", "/client/?hub=private&access_token=TOKEN", False),
    ("GET", "/client/hubs/private?awps_connection_id=x&awps_reconnection_token=TOKEN", False),
    ("GET", f"/{TENANT}/v2.0/.well-known/openid-configuration", True),
    ("GET", "/metadata/identity/oauth2/token?resource=https://webpubsub.azure.com", True),
    ("GET", "/imds/IDENTITY/metadata/identity/oauth2/token?resource=x", True),
    ("GET", "/imds/%FF/metadata/identity/oauth2/token", True),
    ("GET", "/msi/token?resource=https://webpubsub.azure.com", True),
    ("POST", "/faults?token=VISITOR", False),
    ("GET", "/page/feed?token=VISITOR", False),
    ("POST", f"/{TENANT}/oauth2/v2.0/token", True),
    ("POST", "/faults", False),
    ("GET", "/faults", False),
    ("GET", "/clients/mqtt/hubs/private?access_token=TOKEN", False),
    ("POST", "/clients/socketio/hubs/private", False),
    ("GET", "/openapi.json", False),
    ("GET", "/", False),
    ("GET", "/?token=%FF", False),
]


@pytest.mark.parametrize(("method", "target", "tls"), PLACES, ids=lambda one: str(one)[:40])
def test_headers_and_bodies_of_all_kinds(service, caplog, method, target, tls):
    @settings(patient, max_examples=25)
    @given(
        st.lists(st.tuples(st.sampled_from(HEADERS), values), max_size=6),
        st.binary(max_size=100),
        st.booleans(),
    )
    def check(headers, body, upgrade):
        lines = [f"{method} {target} HTTP/1.1", "Host: h"]
        lines += (
            ["Connection: Upgrade", "Upgrade: websocket"] if upgrade else ["Connection: close"]
        )
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="] * upgrade
        lines += [f"{name}: {' '.join(value.split())}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}"] * (method == "POST")
        head = written(service, "\r\n".join([*lines, "", ""]))
        # What never becomes a request gets no answer.
        answer = service.exchange(head + body, tls=tls, patience=0.1)
        service.check(answer, caplog)

    check()


@patient
@given(
    st.dictionaries(
        st.sampled_from(["grant_type", "client_id", "client_secret", "scope", "resource", "x"]),
        odd,
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from(["v2.0/", ""]),
)
def test_forms_of_all_kinds_at_the_issuer(service, caplog, form, known, version):
    from urllib.parse import urlencode

    if known:
        form = {
            "grant_type": "client_credentials",
            "client_id": service.client_id,
            "client_secret": SECRET,
            "scope": "https://webpubsub.azure.com/.default",
            **form,
        }
    body = urlencode(form, errors="surrogatepass").encode()
    head = f"POST /{TENANT}/oauth2/{version}token HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    service.check(service.exchange(head.encode() + b"\r\n" + body, tls=True), caplog)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd, inner, max_size=3),
    max_leaves=5,
)
FAULT_KEYS = ["kind", "count", "for_seconds", "after_bytes", "seconds", "limit", "per_seconds"]
FAULT_KEYS += ["status", "retry_after", "code", "reason", "hub", "user_id", "connection_id", "how"]
KINDS = ["cut", "stop_reading", "delay", "refuse_upgrades", "throttle", "close", "expire"]


@patient
@given(
    st.sampled_from(KINDS) | odd,
    st.dictionaries(st.sampled_from(FAULT_KEYS), json_values, max_size=4),
    st.booleans(),
)
def test_faults_of_all_kinds(service, caplog, kind, others, named):
    import json

    body = json.dumps({"kind": kind, **others} if named else list(others.values())).encode()
    head = "POST /faults HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {service.visitor}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    service.check(service.exchange(head.encode() + body), caplog)


# -- paths of the client endpoint -----------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/client/hubs/chargers", 101),
        ("/client/hubs/CHARGERS", 101),
        ("/client/hubs/%63hargers", 101),
        ("/client/?hub=chargers", 101),
        ("/client?hub=%63hargers", 101),
        ("http://elsewhere.example/client/hubs/chargers", 101),
        ("/client/hubs/chargers/", 404),
        ("/client/hubs/", 404),
        ("/client/hubs", 404),
        ("/client/hubs/a/b", 404),
        ("//client/hubs/chargers", 404),
        ("/client//hubs/chargers", 404),
        ("/client/hubs/chargers/../private", 404),
        ("/client/hubs/../hubs/chargers", 404),
        ("/client/hubs/a%2Fb", (400, 404)),
        ("/client/hubs/%2e%2e", (400, 404)),
        ("/client/hubs/..", (400, 404)),
        ("/client/hubs/:send", 400),
        ("/client/hubs/chargers:send", 400),
        ("/client/hubs/chargers%00", 400),
        ("/client/hubs/chargers%0d%0aX:y", 400),
        ("/client/hubs/%FF", 400),
        ("/client/hubs/%ED%A0%80", 400),
        ("/client/hubs/%", 400),
        ("/client/hubs/%zz", 400),
        ("/client/hubs/\xe9", 400),
        ("/client/hubs/1a", 400),
        ("/client/hubs/%20", 400),
        (f"/client/hubs/{'a' * 129}", 400),
        ("/client/?hub=", 400),
        ("/client/?hub=%00", 400),
        ("/client/?hub=..", 400),
        ("/client/?hub=a%2Fb", 400),
        ("/client/?Hub=chargers", 400),
        ("/client", 400),
        ("/clients/mqtt/hubs/chargers", 404),
        ("/client/hubs/chargers\0", 400),
        ("*", (400, 404)),
    ],
)
def test_path_tricks(service, caplog, target, status):
    head = f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
    before = {one.id for one in service.hub.control.connections("private")}
    answer = service.exchange(head.encode("latin-1"), only_head=True)
    statuses = status if isinstance(status, tuple) else (status,)
    assert int(answer.split(b" ", 2)[1]) in statuses, answer[:200]
    service.check(answer, caplog)
    # None of them is another way into a hub that denies anonymous clients.
    assert {one.id for one in service.hub.control.connections("private")} <= before
