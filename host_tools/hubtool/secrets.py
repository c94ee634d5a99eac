"""Secrets: where they come from, and a type that never shows them.

`Secret` is pydantic's SecretStr: its str and repr are asterisks. A settings file names a place,
never the secret itself: `{ env = "NAME" }`, `{ file = "path" }` or `{ prompt = true }`. In names
and paths `{id}` stands for the id of the device, so that one file serves a batch of boards.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from micropython_webpubsub.text_files import NotUtf8, decode_text
from pydantic import BaseModel, ConfigDict, SecretStr, StrictBool, model_validator

from .errors import HubtoolError
from .hiding import is_path, is_variable_name

Secret = SecretStr

# Longer than any token the service takes in a URL; a wrong path must not fill the memory.
_LARGEST_FILE = 64 * 1024
_ID = "{id}"


class SecretSource(BaseModel):
    """The place of one secret. Exactly one of the three is given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = None
    file: str | None = None
    prompt: StrictBool = False

    @model_validator(mode="after")
    def _one_place(self) -> SecretSource:
        if (self.env is not None) + (self.file is not None) + self.prompt != 1:
            raise ValueError(
                'give one place: { env = "NAME" }, { file = "path" } or { prompt = true }'
            )
        return self

    def __str__(self) -> str:
        if self.env is not None:
            shown = self.env if is_variable_name(self.env) else "(name not shown)"
            return f"environment variable {shown}"
        if self.file is not None:
            return f"file {self.file if is_path(self.file) else '(name not shown)'}"
        return "hidden prompt"

    def resolve(
        self, what: str, folder: Path, *, exact: bool = False, device_id: str | None = None
    ) -> Secret:
        """Fetch the secret.

        Args:
            what: name of the secret for prompts and errors, such as "Wi-Fi password".
            folder: where relative paths start: the folder of the settings file.
            exact: white space is a part of it, as in passwords; only the line end goes.
            device_id: what `{id}` stands for.

        Raises:
            HubtoolError: the variable is not set, the file cannot be read, nobody can be asked,
                the secret is empty, or `{id}` does not fit there.
        """
        given = (self.env or self.file or "").replace(_ID, "id" if self.env is None else "ID")
        if self.env is not None:
            name = _filled(self.env, what, device_id)
            value = from_environment(name, what, exact=exact, given=given)
        elif self.file is not None:
            if device_id is not None and _ID in self.file and set(device_id) & set("/\\"):
                raise HubtoolError(f"{what}: an id with a slash in it cannot be in a file's name")
            path = _filled(self.file, what, device_id)
            value = from_file(folder / expanded(Path(path)), what, exact=exact, given=given)
        else:
            value = from_prompt(what, exact=exact)
        return value


def _filled(text: str, what: str, device_id: str | None) -> str:
    if _ID not in text:
        return text
    if device_id is None:
        raise HubtoolError(f"{what}: {_ID} is the id of a device, and this is not of one device")
    return text.replace(_ID, device_id)


def _bare(text: str, exact: bool) -> str:
    """The secret in a text: without white space round it, or just without its line end."""
    return text.rstrip("\r\n") if exact and text.strip() else text.strip()


def space_note(what: str, secret: Secret) -> str | None:
    """A warning about white space that is kept; None when there is none round a secret."""
    value = secret.get_secret_value()
    if value == value.strip():
        return None
    end = "ends" if value[0].strip() else "begins"
    return f"the {what} {end} with white space, and that is taken for a part of it"


def _is_text(value: str) -> bool:
    """Whether there are no bytes in it that are none in UTF-8, as the environment may have."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def from_environment(
    name: str, what: str, *, exact: bool = False, given: str | None = None
) -> Secret:
    """A secret out of an environment variable; see `SecretSource.resolve` for `exact`.

    Args:
        name: of the variable.
        what: name of the secret, for errors.
        exact: whether white space is a part of it.
        given: what a person gave as its name, when that is not the whole of it.

    Raises:
        HubtoolError: it is not set, or empty.
    """
    value = _bare(os.environ.get(name, ""), exact)
    if not value:
        if not name:
            raise HubtoolError(f"{what}: the name of the variable is empty: write it out")
        if not is_variable_name(given or name):
            raise HubtoolError(
                f"{what}: no such environment variable (what was given is not shown: it does not "
                "look like a name such as WIFI_PASSWORD, and may be the secret itself): "
                "export a variable first, and give its name"
            )
        raise HubtoolError(f"{what}: the environment variable {name} is not set: export it first")
    if not _is_text(value):
        raise HubtoolError(f"{what}: what the environment variable holds is not text in UTF-8")
    return Secret(value)


def expanded(path: Path) -> Path:
    """A path with the home folder for "~"; as it is where there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def from_file(path: Path, what: str, *, exact: bool = False, given: str | None = None) -> Secret:
    """A secret out of a text file; see `SecretSource.resolve` for `exact`.

    Args:
        path: the file.
        what: name of the secret, for errors.
        exact: whether white space is a part of it.
        given: what a person gave as its path, when that is not the whole of it.

    Raises:
        HubtoolError: the file cannot be read, is empty, or longer than a secret is.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        reason = getattr(error, "strerror", None) or "no path of a file"
        if not (is_path(given or str(path)) or path.exists()):
            raise HubtoolError(
                f"{what}: no such file ({reason}; what was given is not shown: it does not look "
                "like a path such as keys/wifi.txt, and may be the secret itself): write the "
                "secret into a file first, and give its path"
            ) from None
        raise HubtoolError(f"{what}: cannot read {path}: {reason}") from None
    if len(raw) > _LARGEST_FILE:
        raise HubtoolError(f"{what}: {path} is no secret: it is larger than 64 KiB")
    try:
        value = _bare(decode_text(raw), exact)
    except NotUtf8 as error:
        raise HubtoolError(f"{what}: {path}: {error}") from None
    if not value:
        raise HubtoolError(f"{what}: {path} is empty")
    return Secret(value)


def from_prompt(what: str, *, exact: bool = False) -> Secret:
    """A secret typed by a person, not echoed; see `SecretSource.resolve` for `exact`.

    Raises:
        HubtoolError: there is no terminal, or nothing was typed.
    """
    # Without a terminal getpass would fall back to reading with echo.
    if not sys.stdin.isatty():
        raise HubtoolError(
            f"{what}: there is no terminal to ask on: take it from the environment or a file"
        )
    try:
        typed = getpass.getpass(f"{what[0].upper()}{what[1:]} (not shown): ")
    except EOFError:  # Ctrl-D
        print(file=sys.stderr)
        typed = ""
    except UnicodeDecodeError:
        raise HubtoolError(f"{what}: what was typed is not text: use a file in UTF-8") from None
    value = _bare(typed, exact)
    if not value:
        raise HubtoolError(f"{what}: nothing was typed")
    return Secret(value)
