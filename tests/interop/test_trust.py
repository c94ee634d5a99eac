"""Each variable that `hubtool serve --tls` names makes a package trust the local CA."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .nodes import SCRIPTS, why_not

PROGRAMS = {
    "REQUESTS_CA_BUNDLE": """
from os import environ
from azure.messaging.webpubsubservice import WebPubSubServiceClient
with WebPubSubServiceClient.from_connection_string(
    environ["CONNECTION_STRING"], hub="h", retry_total=0
) as service:
    service.send_to_all("hi", content_type="text/plain")
print("trusted")
""",
    "SSL_CERT_FILE": """
import asyncio
from os import environ
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

async def main():
    async with WebPubSubServiceClient.from_connection_string(
        environ["CONNECTION_STRING"], hub="h", retry_total=0
    ) as service:
        await service.send_to_all("hi", content_type="text/plain")
        url = (await service.get_client_access_token())["url"]
    async with WebPubSubClient(url, reconnect_retry_total=0):
        print("trusted")

asyncio.run(main())
""",
    "WEBSOCKET_CLIENT_CA_BUNDLE": """
from os import environ
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubservice import WebPubSubServiceClient
service = WebPubSubServiceClient.from_connection_string(environ["CONNECTION_STRING"], hub="h")
with WebPubSubClient(service.get_client_access_token()["url"], reconnect_retry_total=0):
    print("trusted")
""",
}
NODE = """
import { WebPubSubServiceClient } from "@azure/web-pubsub";
const options = { retryOptions: { maxRetries: 0 } };
const service = new WebPubSubServiceClient(process.env.CONNECTION_STRING, "h", options);
await service.sendToAll("hi", { contentType: "text/plain" });
console.log("trusted");
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that `hubtool serve --tls` prints, and the connection string for TLS."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    process = subprocess.Popen(
        [sys.executable, "-m", "hubtool", "serve", "--port", "0", "--tls"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    limit = threading.Timer(120, process.kill)
    limit.start()
    found: dict[str, str] = {}
    try:
        for line in process.stdout:
            found.update(re.findall(r"^(Listening on https|Connection string): ?(.*)$", line))
            if line.startswith("  export "):
                _, setting = shlex.split(line, comments=True)
                name, _, found[name] = setting.partition("=")
                if name == "NODE_EXTRA_CA_CERTS":
                    break
        https = "https:" + found["Listening on https"]
        plain = found["Connection string"]
        found["CONNECTION_STRING"] = re.sub(r"Endpoint=[^;]+", f"Endpoint={https}", plain)
        yield found
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def outcome(command: list[str], folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    known = {*PROGRAMS, "NODE_EXTRA_CA_CERTS"}
    environment = {name: value for name, value in os.environ.items() if name not in known}
    return subprocess.run(
        command,
        env={**environment, **extra},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_trusts(command: list[str], folder: Path, name: str, served: dict[str, str]) -> None:
    secret = {"CONNECTION_STRING": served["CONNECTION_STRING"]}
    done = outcome(command, folder, **{name: served[name]}, **secret)
    assert done.stdout == "trusted\n", done.stderr
    without = outcome(command, folder, **secret)
    assert "trusted" not in without.stdout
    assert re.search(r"certificate", without.stderr, re.IGNORECASE), without.stderr


@pytest.mark.skipif(os.name == "nt", reason="reads the settings as a POSIX shell does")
@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_variable_for_python(served, tmp_path, name):
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[name])
    assert_trusts([sys.executable, str(program)], tmp_path, name, served)


@pytest.mark.skipif(os.name == "nt", reason="reads the settings as a POSIX shell does")
def test_a_variable_for_node(served):
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    command = ["node", "--input-type=module", "--eval", NODE]
    assert_trusts(command, SCRIPTS, "NODE_EXTRA_CA_CERTS", served)
