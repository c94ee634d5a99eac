"""The `.pyi` files say what the device code does: checked by mypy's stubtest, and in use."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import webpubsub
import webpubsub.errors

from tests.support.interpreters import DEVICE

CLIENT = DEVICE / "webpubsub"
PACKAGES = (CLIENT, DEVICE / "chargepoint")
# An event has other attributes each time; only the stub can say so.
ONLY_IN_THE_STUB = ["webpubsub.client.Event.__getattr__"]
# What the hardware reports goes through one function.
ONLY_IN_THE_STUB += [
    f"chargepoint.point.ChargePoint.{name}"
    for name in ("plugged", "unplugged", "ready", "paused", "tag", "fault", "cleared")
]


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """The stubs without the sources, which mypy would read too, and which it cannot check."""
    for folder in PACKAGES:
        package = tmp_path / "stubs" / folder.name
        package.mkdir(parents=True)
        for stub in folder.glob("*.pyi"):
            shutil.copy(stub, package)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n", encoding="utf-8")
    return tmp_path / "stubs" / CLIENT.name


def run(stubs: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=stubs.parent.parent,
        env={**os.environ, "MYPYPATH": str(stubs.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def stubtest(stubs: Path) -> subprocess.CompletedProcess[str]:
    """Compare the stubs with the modules; those that are not for programs need no stub."""
    allowed = [*ONLY_IN_THE_STUB]
    for folder in PACKAGES:
        modules = {path.stem for path in folder.glob("*.py")}
        internal = modules - {path.stem for path in folder.glob("*.pyi")}
        allowed += (f"{folder.name}.{name}" for name in sorted(internal))
    allowlist = stubs.parent.parent / "allowlist"
    allowlist.write_text("\n".join(line.replace(".", r"\.") for line in allowed), encoding="utf-8")
    return run(
        stubs,
        "mypy.stubtest",
        *(folder.name for folder in PACKAGES),
        "--concise",
        "--mypy-config-file=mypy.ini",
        f"--allowlist={allowlist}",
    )


def test_the_stubs_agree_with_the_modules(stubs: Path) -> None:
    done = stubtest(stubs)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stub_that_is_behind_is_found(stubs: Path) -> None:
    stub = stubs / "websocket.pyi"
    text = stub.read_text(encoding="utf-8")
    for now, before in (
        ("_kind: int = 1", "_kind: int = 2"),
        ("    def send_json(self, value: Any) -> Awaitable[None]: ...\n", ""),
    ):
        assert now in text
        text = text.replace(now, before)
    stub.write_text(text, encoding="utf-8")
    done = stubtest(stubs)
    assert done.returncode == 1
    assert "webpubsub.websocket.WebSocket.receive_str" in done.stdout
    assert "webpubsub.websocket.WebSocket.send_json" in done.stdout


def _names_of_the_package() -> str:
    # What `webpubsub.__getattr__` looks up. It is no attribute that others have a use for, so it
    # is read where it is written.
    for node in ast.parse((CLIENT / "__init__.py").read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="_NAMES")], value=ast.Constant(value=str(names))):
                return names
    raise AssertionError("the package has no table of its names")


def test_each_public_name_has_its_type() -> None:
    tree = ast.parse((CLIENT / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {
        alias.asname: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    listed = dict(reversed(each.split(".")) for each in _names_of_the_package().split())
    assert listed.pop("*") == "errors", "where all others are"
    errors = {
        name: "errors"
        for name, value in vars(webpubsub.errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert typed == listed | errors
    for name, module in typed.items():
        assert getattr(webpubsub, name).__name__ == name, module


PROGRAM = """\
import webpubsub
from webpubsub import AccessToken, Message, WebPubSubClient, ws_connect
from webpubsub.outbox import Outbox


async def main(token: str) -> None:
    credential = AccessToken("https://example.com", "chargers", token)
    async with WebPubSubClient(credential) as client:
        outbox = Outbox(client, "/outbox")
        client.subscribe("connected", lambda event: print(event.connection_id))
        id_ = await outbox.send_to_group("site-7", {"kw": 7.2}, policy="latest", key="kw")
        await client.send_to_group("site-7", {"id": id_}, no_echo=True)
        async for message in client:
            reveal_type(message)
    async with await ws_connect("wss://example.com") as ws:
        await ws.send_str("hello")
        reveal_type(await ws.receive_str())


async def wrong(client: WebPubSubClient) -> None:
    await client.send_to_group("site-7")
    client.send_to_groups("site-7", 1)
    await client.open(timeout="soon")
    await client.send_event("e", 1, "yaml")
    print(Message.kind, webpubsub.nothing)
"""


def signature(file: str, name: str) -> dict[str, str | None]:
    """Parameters and their defaults of a function in a source, or of a class in a stub."""
    body = ast.parse((CLIENT / file).read_text(encoding="utf-8")).body
    node = next(node for node in body if getattr(node, "name", "") == name)
    if isinstance(node, ast.ClassDef):
        node = next(part for part in node.body if getattr(part, "name", "") == "__init__")
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    arguments = node.args
    given = {argument.arg: None for argument in arguments.args[-1:]}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        given[argument.arg] = default and ast.unparse(default)
    return given


@pytest.mark.parametrize(
    ("file", "name", "stub", "public"),
    [
        ("websocket.py", "_opened", "websocket.pyi", "ws_connect"),
        ("making.py", "make", "client.pyi", "WebPubSubClient"),
    ],
)
def test_what_is_handed_on_has_the_parameters_of_the_stub(
    file: str, name: str, stub: str, public: str
) -> None:
    """stubtest sees `**options` there, which spare a board the signature."""
    found, said = signature(file, name), signature(stub, public)
    assert len(found) > 8
    assert list(found) == list(said)
    for parameter, default in found.items():
        assert said[parameter] in (default, "..."), parameter


def test_an_editor_knows_right_from_wrong(stubs: Path) -> None:
    program = stubs.parent.parent / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    done = run(stubs, "mypy", "--strict", "--no-error-summary", "program.py")
    lines = done.stdout.splitlines()
    notes = [line.rpartition("type is ")[2] for line in lines if "Revealed" in line]
    assert notes == ['"webpubsub.messages.Message"', '"str"'], done.stdout + done.stderr
    errors = [line.rpartition("[")[2] for line in lines if ": error: " in line]
    assert errors == ["call-arg]", "attr-defined]", "arg-type]", "arg-type]", "attr-defined]"]
