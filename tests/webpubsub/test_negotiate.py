"""Negotiate against application servers in this process, and a client that uses it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from localhub import LocalHub

from tests.webpubsub.negotiate_server import NegotiateServer

URL = "wss://h/client/hubs/a?access_token=head.s3cret.sign"


@pytest.fixture
def authorities(tmp_path) -> tuple[ssl.SSLContext, dict[str, str]]:
    ca, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    files = {}
    for name, one in (("CA", ca), ("OTHER_CA", other)):
        path = tmp_path / f"{name}.der"
        certificate = x509.load_pem_x509_certificate(one.cert_pem.bytes())
        path.write_bytes(certificate.public_bytes(Encoding.DER))
        files[name] = str(path)
    return context, files


async def test_against_an_application_server(everywhere, authorities):
    context, files = authorities

    @contextlib.asynccontextmanager
    async def servers() -> AsyncIterator[dict[str, str]]:
        plain, secure = NegotiateServer(lambda: URL), NegotiateServer(lambda: URL)
        async with plain.running() as port, secure.running(context) as tls_port:
            yield {"SERVER": f"http://127.0.0.1:{port}", "TLS_PORT": str(tls_port), **files}
        # A redirect is refused: whoever is behind it would get the device's key.
        assert not any("elsewhere" in head for head in plain.requests)

    await everywhere("device_negotiate", servers)


async def test_a_fresh_url_for_each_connection_and_none_for_a_recovery(everywhere):
    @contextlib.asynccontextmanager
    async def servers() -> AsyncIterator[dict[str, str]]:
        async with LocalHub() as hub:
            handed = []

            def url() -> str:
                handed.append(hub.client_url("chargers", user_id=f"CP-{len(handed) + 1}"))
                return handed[-1]

            class Server(NegotiateServer):
                async def _cut(self, writer, argument, head):
                    (connection,) = hub.control.connections()
                    hub.control.drop(connection.id)
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

                async def _expire(self, writer, argument, head):
                    (connection,) = hub.control.connections()
                    hub.control.close(connection.id, "away with you", code=1008)
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

            server = Server(url)
            async with server.running() as port:
                yield {"SERVER": f"http://127.0.0.1:{port}"}
            asked = [head.split()[1] for head in server.requests]
            # One refusal first, and then one URL for each of the two sessions.
            assert asked.count("/url") == len(handed) == 2, asked

    await everywhere("device_negotiate_client", servers)
