"""The gateway's way to the service by Microsoft Entra ID, against the local issuer."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from hubtool.errors import HubtoolError
from hubtool.servers.gateway_service import HubService
from localhub import LocalHub

CONFIG = {
    "service": {"tls": {}, "disable_local_auth": True},
    "entra": {
        "principals": [{"name": "server"}, {"name": "nobody"}],
        "role_assignments": [{"assignee": "server", "role": "Web PubSub Service Owner"}],
    },
}
pytestmark = pytest.mark.localhub(CONFIG)
# aiohttp reads SSL_CERT_FILE when it is imported, so it has a process of its own.
SCRIPT = """
import asyncio, sys
from hubtool.servers.gateway_service import HubService, Undelivered

async def main():
    service = HubService(None, sys.argv[1])
    try:
        await service.close_connection("chargers", "nobody-there", "test")
        print("done")
    except Undelivered as error:
        print(error)
    finally:
        await service.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("name", "said"), [("server", "done"), ("nobody", "the service answered 403")]
)
async def test_the_role_decides(localhub: LocalHub, name: str, said: str) -> None:
    environment = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("AZURE_", "IDENTITY_"))
    } | localhub.entra_environment(name)
    ca = str(localhub.ca_pem_path)
    assert localhub.tls_endpoint is not None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT, localhub.tls_endpoint),
        env=environment | {"SSL_CERT_FILE": ca, "REQUESTS_CA_BUNDLE": ca},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert output.decode().strip() == said


def test_an_endpoint_must_be_encrypted() -> None:
    with pytest.raises(HubtoolError, match="TLS only"):
        HubService(None, "http://127.0.0.1:7080")
