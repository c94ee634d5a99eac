"""The WebSocket client against servers in this process, on both interpreters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import connect

from tests.webpubsub.webpubsub_servers import BadServer, GoodServer

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


@contextlib.asynccontextmanager
async def good_server() -> AsyncIterator[dict[str, str]]:
    async with GoodServer().running() as server:
        yield {"SERVER": f"ws://127.0.0.1:{server.port}"}


@contextlib.asynccontextmanager
async def bad_server() -> AsyncIterator[dict[str, str]]:
    async with BadServer().running() as server:
        yield {"SERVER": f"ws://127.0.0.1:{server.port}"}


async def test_against_a_good_server(everywhere):
    await everywhere("device_good_server", good_server)


async def test_messages_that_are_lent(everywhere):
    await everywhere("device_views", good_server)


async def test_without_the_queue_inside_asyncio(everywhere):
    await everywhere("device_polling", good_server)


async def test_against_a_bad_server(everywhere):
    await everywhere("device_bad_server", bad_server)


# TLS


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def issued(ca: trustme.CA, name: str = "localhost", **dates: datetime) -> ssl.SSLContext:
    context = server_context()
    ca.issue_cert(name, **dates).configure_cert(context)
    return context


def mutual(ca: trustme.CA) -> ssl.SSLContext:
    context = issued(ca)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_certificate(ca: trustme.CA, folder: Path) -> dict[str, str]:
    """The files of a client certificate, in DER and in PEM."""
    leaf = ca.issue_cert("charger@example.com")
    pem = leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
    certificate = x509.load_pem_x509_certificate(pem[0])
    key = serialization.load_pem_private_key(pem[1], None)
    der = (
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    for name, as_pem, as_der in zip(("CERT", "KEY"), pem, der, strict=True):
        (folder / f"{name}.pem").write_bytes(as_pem)
        (folder / name).write_bytes(as_der)
    return {name: str(folder / name) for name in ("CERT", "KEY")}


def old(ca: trustme.CA) -> ssl.SSLContext:
    """A server that speaks nothing newer than TLS 1.1."""
    context = issued(ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - YEAR)
        .not_valid_after(NOW + YEAR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "self-signed.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = server_context()
    context.load_cert_chain(pem)
    return context


def der(ca: trustme.CA, path: Path) -> str:
    certificate = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    path.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    return str(path)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """Server contexts by what is wrong with them, and the device's environment."""
    folder = tmp_path_factory.mktemp("tls")
    ca, other = trustme.CA(), trustme.CA()
    servers = {
        "good": issued(ca),
        "wrong_host": issued(ca, "elsewhere.example"),
        "expired": issued(ca, not_before=NOW - 2 * YEAR, not_after=NOW - YEAR),
        "not_yet": issued(ca, not_before=NOW + YEAR, not_after=NOW + 2 * YEAR),
        "mutual": mutual(ca),
        "old": old(ca),
        "self_signed": self_signed(folder),
    }
    files = {"CA": der(ca, folder / "ca.der"), "OTHER_CA": der(other, folder / "other.der")}
    files |= client_certificate(ca, folder)
    return servers, files


@contextlib.asynccontextmanager
async def tcp_server(how: str) -> AsyncIterator[int]:
    """Accepts connections; then says nothing, or ends them in the TLS handshake."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(10)
        if how == "rst":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif how == "fin":
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def test_tls(everywhere, contexts):
    servers, files = contexts

    @contextlib.asynccontextmanager
    async def tls_servers() -> AsyncIterator[dict[str, str]]:
        async with contextlib.AsyncExitStack() as stack:
            ports = {}
            for name, context in servers.items():
                server = await stack.enter_async_context(GoodServer().running(context))
                ports[name] = server.port
            bad = await stack.enter_async_context(BadServer().running(servers["good"]))
            ports["bad"] = bad.port
            for how in ("mute", "fin", "rst"):
                ports[how] = await stack.enter_async_context(tcp_server(how))
            yield {"SERVERS": json.dumps(ports), **files}

    await everywhere("device_tls", tls_servers)


async def test_the_server_that_is_too_old_serves_whoever_is_as_old(contexts):
    # Else its refusal by a device would prove nothing.
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = ssl.TLSVersion.TLSv1
    async with GoodServer().running(contexts[0]["old"]) as server:
        address = f"wss://localhost:{server.port}/echo"
        async with connect(address, ssl=client) as ws:
            session = ws.transport.get_extra_info("ssl_object")
            assert session.version() == "TLSv1.1"
