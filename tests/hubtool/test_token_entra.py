"""`hubtool token --entra`: by Azure's own libraries, against the local issuer and service."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
from hubtool.main import main
from localhub import LocalHub

OWNER = "Web PubSub Service Owner"
CONFIG = {
    "service": {"tls": {}, "disable_local_auth": True},
    "entra": {
        "principals": [
            {"name": "server"},
            {"name": "nobody"},
            {"name": "machine", "managed_identity": True},
        ],
        "role_assignments": [
            {"assignee": "server", "role": OWNER},
            {"assignee": "machine", "role": OWNER},
        ],
    },
}
pytestmark = pytest.mark.localhub(CONFIG)


@pytest.fixture
def token(localhub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs `hubtool token chargers --entra` as a principal; gives code, output and errors."""

    async def run(name: str | None, *words: str, **changes: str) -> tuple[int, str, str]:
        for variable in list(os.environ):
            if variable.startswith(("AZURE_", "IDENTITY_")):
                monkeypatch.delenv(variable)
        environment = localhub.entra_environment(name) if name else {}
        for variable, value in {**environment, **changes}.items():
            monkeypatch.setenv(variable, value)
        words = words or ("--endpoint", localhub.tls_endpoint)
        arguments = ["token", "chargers", "--entra", "--lifetime", "2h", *words]
        code = await asyncio.to_thread(main, arguments)
        output, error = capsys.readouterr()
        for secret in environment.get("AZURE_CLIENT_SECRET"), environment.get("IDENTITY_HEADER"):
            assert secret is None or secret not in output + error
        return code, output, error

    return run


@pytest.mark.parametrize("name", ["server", "machine"])
async def test_the_service_makes_the_token(localhub, token, name):
    code, output, error = await token(
        name,
        *["--endpoint", localhub.tls_endpoint, "--user-id", "CP-7", "--group", "commands"],
        *["--role", "webpubsub.sendToGroup.telemetry"],
    )
    assert code == 0, error
    claims = jwt.decode(output.strip(), options={"verify_signature": False})
    assert claims["aud"] == f"{localhub.tls_endpoint}/client/hubs/chargers"
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("CP-7", 7200)
    assert claims["role"] == ["webpubsub.sendToGroup.telemetry"]
    assert claims["webpubsub.group"] == ["commands"]
    assert "expires 20" in error


async def test_the_whole_url(localhub, token):
    endpoint = localhub.tls_endpoint.replace("https", "wss")
    code, output, _ = await token("server", "--endpoint", endpoint + "/", "--url")
    assert code == 0
    assert output.startswith(f"{endpoint}/client/hubs/chargers?access_token=ey")


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("nobody", {}, f"refuses the identity (403): give it the role '{OWNER}'"),
        ("server", {"AZURE_CLIENT_SECRET": "wrong"}, "AADSTS7000215: Invalid client secret"),
        ("server", {"AZURE_CLIENT_ID": "x"}, "AADSTS700016: Application with identifier 'x'"),
        ("server", {"AZURE_TENANT_ID": "x"}, "does not know the tenant: check AZURE_TENANT_ID"),
        ("server", {"AZURE_TENANT_ID": "a/b"}, "Microsoft Entra ID: Invalid tenant ID"),
        ("server", {"REQUESTS_CA_BUNDLE": ""}, "set REQUESTS_CA_BUNDLE to its CA file"),
    ],
)
async def test_an_identity_that_is_refused(token, name, changes, said):
    code, output, error = await token(name, **changes)
    assert (code, output) == (1, "")
    assert said in error
    assert error.count("\n") == 1


async def test_without_an_identity(token, monkeypatch):
    # What would be tried on a developer's machine is switched off by the SDK's own variable.
    code, output, error = await token(None, AZURE_TOKEN_CREDENTIALS="EnvironmentCredential")
    assert (code, output) == (1, "")
    assert "no identity for Microsoft Entra ID: run `az login`, or set AZURE_TENANT_ID" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url"], "--entra needs --endpoint: https://NAME.webpubsub.azure.com"),
        (["--endpoint", "http://localhost:7080"], "go over TLS only: give an https://"),
        (["--endpoint", "localhost:7080"], "an endpoint starts with https://"),
        (["--endpoint", "https://localhost:1"], "https://localhost:1 cannot be reached"),
        (["--endpoint", "https://h", "--role", "x"], "'x' is no role"),
    ],
)
async def test_bad_input_is_one_line(token, words, said):
    code, output, error = await token("server", *words)
    assert (code, output) == (1, "")
    assert said in error
    assert error.count("\n") == 1


async def test_keys_are_refused_with_a_remedy(localhub, token, monkeypatch):
    """A service that lets nobody in by Entra ID."""
    async with LocalHub({"service": {"tls": {}}}) as other:
        ca = Path(localhub.ca_pem_path).read_text() + Path(other.ca_pem_path).read_text()
        both = Path(other.ca_pem_path).with_name("both.pem")
        both.write_text(ca)
        code, _, error = await token(
            "server", "--endpoint", other.tls_endpoint, REQUESTS_CA_BUNDLE=str(both)
        )
    assert code == 1
    assert "does not accept the identity (401)" in error


def test_endpoint_goes_with_entra(capsys):
    assert main(["token", "h", "--endpoint", "https://h", "--lifetime", "1h"]) == 1
    assert "--endpoint goes with --entra" in capsys.readouterr().err


def test_one_source_only(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["token", "h", "--entra", "--connection-string-env", "X", "--lifetime", "1h"])
    assert caught.value.code == 2


def test_without_azure_identity(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    words = ["--entra", "--endpoint", "https://h", "--lifetime", "1h"]
    assert main(["token", "h", *words]) == 1
    error = capsys.readouterr().err
    assert "pip install 'micropython-webpubsub[entra]'" in error
    assert error.count("\n") == 1


def test_serve_writes_an_environment_for_each_principal(tmp_path):
    """The two commands of the documentation: serve, and a token in another shell."""
    (tmp_path / "hub.toml").write_text(
        "[service]\ndisable_local_auth = true\n"
        '[[entra.principals]]\nname = "my server"\n'
        f'[[entra.role_assignments]]\nassignee = "my server"\nrole = "{OWNER}"\n'
    )
    serve = subprocess.Popen(
        [sys.executable, "-m", "hubtool", "serve", "--config", "hub.toml", "--port=0", "--tls"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serve.stdout is not None
        lines = []
        while not lines or not lines[-1].startswith("Access keys are switched off"):
            lines.append(serve.stdout.readline().rstrip())
            assert lines[-1], lines
        endpoint = lines[1].removeprefix("Listening on ")
        label, _, place = lines[2].rpartition(": ")
        assert label == "Microsoft Entra ID: my server"
        path = tmp_path / place
        assert path.name == "entra-my-server.env"
        if os.name == "posix":
            assert path.stat().st_mode & 0o077 == 0
            command = f". '{path}' && '{sys.executable}' -m hubtool token chargers --entra"
            command += f" --endpoint {endpoint} --lifetime 1h --user-id CP-7"
            made = subprocess.run(
                ["sh", "-c", command], capture_output=True, text=True, timeout=60
            )
            claims = jwt.decode(made.stdout.strip(), options={"verify_signature": False})
            assert claims["sub"] == "CP-7"
    finally:
        serve.kill()
        serve.communicate()
