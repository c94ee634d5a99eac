"""Secrets: where they come from, and a type that never shows them.

`Secret` is pydantic's SecretStr: its str and repr are asterisks. A settings file names a place,
never the secret itself: `{ env = "NAME" }`, `{ file = "path" }` or `{ prompt = true }`.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from .errors import HubtoolError

Secret = SecretStr

# Longer than any token the service takes in a URL; a wrong path must not fill the memory.
_LARGEST_FILE = 64 * 1024


class SecretSource(BaseModel):
    """The place of one secret. Exactly one of the three is given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = None
    file: str | None = None
    prompt: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> SecretSource:
        if (self.env is not None) + (self.file is not None) + self.prompt != 1:
            raise ValueError(
                'give one place: { env = "NAME" }, { file = "path" } or { prompt = true }'
            )
        return self

    def __str__(self) -> str:
        if self.env is not None:
            return f"environment variable {self.env}"
        if self.file is not None:
            return f"file {self.file}"
        return "hidden prompt"

    def resolve(self, what: str, folder: Path) -> Secret:
        """Fetch the secret.

        Args:
            what: name of the secret for prompts and errors, such as "Wi-Fi password".
            folder: where relative paths start: the folder of the settings file.

        Raises:
            HubtoolError: the variable is not set, the file cannot be read, nobody can be asked,
                or the secret is empty.
        """
        if self.env is not None:
            value = from_environment(self.env, what)
        elif self.file is not None:
            value = from_file(folder / Path(self.file).expanduser(), what)
        else:
            value = from_prompt(what)
        return value


def from_environment(name: str, what: str) -> Secret:
    """A secret out of an environment variable.

    Raises:
        HubtoolError: it is not set, or empty.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise HubtoolError(f"{what}: the environment variable {name} is not set: export it first")
    return Secret(value)


def from_file(path: Path, what: str) -> Secret:
    """A secret out of a text file; white space round it is cut off.

    Raises:
        HubtoolError: the file cannot be read, is empty, or longer than a secret is.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise HubtoolError(f"{what}: cannot read {path}: {error.strerror}") from None
    if len(raw) > _LARGEST_FILE:
        raise HubtoolError(f"{what}: {path} is no secret: it is larger than 64 KiB")
    try:
        value = raw.decode().strip()
    except UnicodeDecodeError:
        raise HubtoolError(f"{what}: {path} is not text in UTF-8") from None
    if not value:
        raise HubtoolError(f"{what}: {path} is empty")
    return Secret(value)


def from_prompt(what: str) -> Secret:
    """A secret typed by a person, not echoed.

    Raises:
        HubtoolError: there is no terminal, or nothing was typed.
    """
    # Without a terminal getpass would fall back to reading with echo.
    if not sys.stdin.isatty():
        raise HubtoolError(
            f"{what}: there is no terminal to ask on: take it from the environment or a file"
        )
    value = getpass.getpass(f"{what[0].upper()}{what[1:]} (not shown): ").strip()
    if not value:
        raise HubtoolError(f"{what}: nothing was typed")
    return Secret(value)
