"""Whatever arrives at the data plane, the service answers, and not with its own failure."""

from __future__ import annotations

import re
import socket
import time
from typing import Any
from urllib.parse import quote

import jwt
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localhub.rest.table import OPERATIONS

patient = settings(
    deadline=None,
    max_examples=80,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

NAMES = ["api-version", "filter", "excluded", "reason", "messageTtlSeconds", "targetName"]
NAMES += ["maxpagesize", "top", "continuationToken", "userId", "role", "group", "clientType"]
NAMES += ["minutesToExpire", "access_token", "x"]
TYPES = ["text/plain", "application/json", "application/octet-stream", "text/plain;charset=x"]
SEGMENTS = ["api", "hubs", "chargers", "health", "connections", "groups", "users", "permissions"]
SEGMENTS += ["live", "al", "g", "sendToGroup", ":send", ":closeConnections", ":addToGroups"]
SEGMENTS += ["..", ".", "%2F", "%2e%2e", "%00", "%FF", "%", "%zz", ":", "", "*", "é", ";", "?a"]

HEADERS = ["Authorization", "Content-Type", "Content-Length", "Transfer-Encoding", "Host"]
HEADERS += ["Content-Encoding", "Expect", "Connection", "Upgrade", "X"]

odd_text = st.one_of(st.text(max_size=30), st.sampled_from(["", "true", "live", "2024-12-01"]))
bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"{}",
            b"null",
            b"[[",
            b'{"groups":[]}',
            b'{"groups":["a"],"filter":"x"}',
            b"\x1f\x8b",
        ]
    ),
)


def is_an_answer(answer: requests.Response, *, head: bool) -> None:
    assert answer.status_code < 500
    if head or not answer.content:
        return
    if answer.status_code >= 400:
        assert set(answer.json()) <= {"code", "message", "target"}
        assert answer.headers["x-ms-error-code"] == answer.json()["code"]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_values_of_all_kinds(service, operation):
    """Right routes, right tokens, and rubbish in every place that takes a value."""

    @settings(patient, max_examples=25)
    @given(
        st.lists(odd_text, min_size=3, max_size=3),
        st.lists(st.tuples(st.sampled_from(NAMES), odd_text), max_size=4),
        bodies,
        st.one_of(st.sampled_from(TYPES), st.just("")),
        st.sampled_from(["", "gzip", "deflate", "identity"]),
    )
    def check(values: list[str], query: Any, body: bytes, kind: str, encoding: str) -> None:
        service.wait_for(service.populate())
        rest = iter(values)
        path = re.sub(
            r"\{(\w+)\}", lambda match: quote(next(rest), safe="") or "chargers", operation.path
        )
        url = f"{service.hub.endpoint}{path}"
        headers = {"Content-Type": kind, "Content-Encoding": encoding}
        answer = service.session.request(
            operation.method,
            url,
            params=query,
            data=body,
            headers={name: value for name, value in headers.items() if value},
            auth=service.sign,
            timeout=20,
        )
        is_an_answer(answer, head=operation.method == "HEAD")

    check()


def exchange(service: Any, request: bytes, patience: float = 20) -> bytes:
    """What the service answers to some bytes, and to nothing more."""
    port = int(service.hub.endpoint.rpartition(":")[2])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(request)
        peer.settimeout(patience)
        try:
            while part := peer.recv(65536):
                received += part
        except (ConnectionError, TimeoutError):
            pass
    return received


@patient
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"]),
    st.lists(st.one_of(st.sampled_from(SEGMENTS), st.text(max_size=5)), max_size=9),
    st.text(max_size=10),
    st.booleans(),
)
def test_paths_of_all_kinds(service, method, segments, query, signed):
    path = "/" + "/".join(segments)
    path = "".join(path.split()) or "/"
    claims = {"aud": f"http://h{path}", "exp": int(time.time()) + 60}
    token = jwt.encode(claims, service.key) if signed else "x"
    query = "".join(query.split())
    head = f"{method} {path}?{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    answer = exchange(service, head.encode("utf-8", "surrogatepass"))
    assert re.match(rb"HTTP/1\.[01] [234]\d\d ", answer)


@patient
@given(
    st.lists(
        st.tuples(
            st.sampled_from(HEADERS),
            st.one_of(
                st.text(max_size=20),
                st.sampled_from(["chunked", "gzip", "100-continue", "0", "5", "-1", "Bearer "]),
            ),
        ),
        max_size=6,
    ),
    st.binary(max_size=100),
)
def test_headers_and_bodies_of_all_kinds(service, headers, body):
    path = "/api/hubs/chargers/:send"
    token = jwt.encode({"aud": f"http://h{path}", "exp": int(time.time()) + 60}, service.key)
    lines = [f"POST {path} HTTP/1.1", "Host: h", "Connection: close"]
    lines += [f"Authorization: Bearer {token}"]
    lines += [f"{name}: {' '.join(value.split())}" for name, value in headers]
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")
    # A request that never becomes complete gets no answer.
    answer = exchange(service, head + body, patience=0.2)
    assert not answer or re.match(rb"HTTP/1\.[01] [1234]\d\d ", answer)


@pytest.mark.parametrize(
    ("extra", "body"),
    [
        ("Content-Encoding: gzip\r\nContent-Length: 5", b"hello"),
        ("Content-Encoding: deflate\r\nContent-Length: 5", b"hello"),
        ("Transfer-Encoding: chunked", b"zz\r\nhello"),
        ("Transfer-Encoding: chunked", b"5\r\nhelloXX0\r\n\r\n"),
        ("Content-Length: 5, 6", b"hello"),
        ("Content-Length: x", b"hello"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    ],
)
def test_broken_bodies(service, extra, body, caplog):
    path = "/api/hubs/chargers/:send"
    token = jwt.encode({"aud": f"http://h{path}", "exp": int(time.time()) + 60}, service.key)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        f"Authorization: Bearer {token}\r\n{extra}\r\n\r\n"
    )
    assert re.match(rb"HTTP/1\.[01] 400 ", exchange(service, head.encode() + body))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
