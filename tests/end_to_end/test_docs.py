"""The documents keep their word: what they show is run, and what exists is in them."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import webpubsub
from hubtool.errors import ExitCode
from hubtool.main import COMMANDS, option_strings
from hubtool.secrets import SecretSource
from hubtool.servers.handler_table import HandlerTable
from hubtool.servers.negotiate_table import NegotiateTable
from hubtool.settings.model import DeviceSettings
from localhub import LocalHub
from localhub.config import HubSettings, Service
from localhub.control import Control
from localhub.entra.settings import EntraSettings
from localhub.faults.commands import FaultCommands
from micropython_webpubsub.boards import Board
from pydantic import BaseModel
from simboard.board import SimulatedBoard
from webpubsub import WebPubSubClient
from webpubsub.websocket import WebSocket

from tests.support.interpreters import DEVICE, ROOT, micropython
from tests.support.transcripts import Reader, is_possible, same

DOCS = ROOT / "docs"
PAGES = ("client", "faults", "firmware", "hubtool", "localhub", "simboard")


@pytest.mark.slow
@pytest.mark.skipif(not is_possible(), reason="the documents' commands need a POSIX shell")
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(page, tmp_path, free_port):
    document = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    reader = Reader(tmp_path, DEVICE, micropython(), free_port)
    try:
        assert reader.follow(document, f"docs/{page}.md") > 3
    finally:
        reader.close()


def test_dots_stand_for_anything_and_nothing_else_does():
    assert same("a 1 b\n", "a ... b\n")
    assert same("a\nx\ny\nb\n", "a\n...\nb\n")
    assert same("a\nb\n", "a\n...\nb\n")
    assert not same("a\nb\n", "a ... b\n")
    assert not same("a.c\n", "abc\n")
    assert not same("", "a\n")


def page(name: str) -> str:
    """The text of a page."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def missing(names: Iterable[str], text: str) -> list[str]:
    """The names that a text does not have as code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    code = " ".join(found[1] for found in re.findall(r"(`+)(.+?)(?<!`)\1(?!`)", text))
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", code)]


def parameters(module: str, name: str) -> dict[str, object]:
    """The parameters of a function, or of a class that is called, with their defaults.

    As its stub has them: a board is spared some of the signatures.
    """
    stub = Path(webpubsub.__file__).with_name(f"{module}.pyi").read_text(encoding="utf-8")
    node = next(node for node in ast.parse(stub).body if getattr(node, "name", "") == name)
    if isinstance(node, ast.ClassDef):
        node = next(part for part in node.body if getattr(part, "name", "") == "__init__")
    assert isinstance(node, ast.FunctionDef)
    arguments = node.args
    optional = dict(zip(reversed(arguments.args), reversed(arguments.defaults), strict=False))
    named = dict(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    found = {**dict.fromkeys(arguments.args), **optional, **named}
    return {
        argument.arg: default and ast.literal_eval(default)
        for argument, default in found.items()
        if argument.arg != "self"
    }


def test_the_client_page_has_every_public_name_parameter_and_event():
    text = page("client")
    stub = Path(webpubsub.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    names = re.findall(r" as (\w+)$", stub, re.MULTILINE)
    assert "ws_connect" in names
    assert not missing(names, text + page("outbox"))
    for module, function in (
        ("client", "WebPubSubClient"),
        ("websocket", "ws_connect"),
        ("backoff", "Backoff"),
        ("negotiate", "Negotiate"),
        ("credentials", "AccessToken"),
    ):
        found = parameters(module, function)
        assert len(found) > 4
        for name, default in found.items():
            assert not missing([name], text), f"{function}: {name}"
            if isinstance(default, (int, float)) and default is not True:
                assert str(default) in text, f"{function}: {name}"
    for kind in (WebPubSubClient, WebSocket):
        assert not missing([name for name in vars(kind) if not name.startswith("_")], text)
    listed = re.search(r"Events for `subscribe`.*?:\n(.*)", WebPubSubClient.__doc__, re.DOTALL)
    assert not missing(re.findall(r"([a-z-]+) \(", listed[1]), text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_hubtool_page_has_every_option(command):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"hubtool.commands.{command}").add_arguments(parser)
    text = page("hubtool")
    assert command in text
    assert not missing(set(option_strings(parser)) - {"-h", "--help"}, text)


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of a configuration file, with dots between; lists and tables are gone into."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None or inner is SecretSource:
            yield prefix + name
        else:
            yield from keys_of(inner, f"{prefix}{name}.")


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


@pytest.mark.parametrize(
    ("name", "model", "prefixes"),
    [
        ("hubtool", DeviceSettings, ()),
        ("hubtool", HandlerTable, ("devices.",)),
        ("hubtool", NegotiateTable, ("devices.",)),
        ("hubtool", Board, ("partitions.",)),
        ("localhub", Service, ()),
        ("localhub", HubSettings, ("event_handlers.",)),
        ("localhub", EntraSettings, ("principals.", "role_definitions.", "role_assignments.")),
    ],
)
def test_a_page_has_every_key_of_its_files(name, model, prefixes):
    keys = list(keys_of(model))
    for prefix in prefixes:
        keys = [key.removeprefix(prefix) for key in keys]
    assert not missing(keys, page(name))


def test_the_pages_have_every_member_of_what_tests_use():
    for name, kinds in (
        ("localhub", (LocalHub, Control, FaultCommands)),
        ("simboard", (SimulatedBoard,)),
    ):
        for kind in kinds:
            members = [member for member in vars(kind) if not member.startswith("_")]
            assert not missing(members, page(name)), kind


def test_the_exit_codes_are_those_of_the_tool():
    text = page("hubtool")
    for code in ExitCode:
        assert f"| {int(code)} |" in text
