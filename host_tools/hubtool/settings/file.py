"""A TOML file of the user's, with the line of every key for error messages."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

from micropython_webpubsub.validation import message_of, one_line
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ..errors import HubtoolError

_Model = TypeVar("_Model", bound=BaseModel)
_Location = Sequence["int | str"]


class SettingsDocument:
    """Tables and keys, before they are checked.

    Attributes:
        content: the tables.
        folder: where relative paths in them start.
    """

    def __init__(self, content: dict[str, Any], folder: Path | None = None) -> None:
        self.content = content
        self.folder = Path() if folder is None else folder

    def check(self, model: type[_Model], content: Any = None) -> _Model:
        """Check the content against a model.

        Args:
            model: of the document.
            content: what to check; that of the document when None.

        Raises:
            HubtoolError: a key is unknown, missing or wrong; the text is about the first one.
        """
        try:
            return model.model_validate(self.content if content is None else content)
        except ValidationError as error:
            # Unknown keys first: a misspelt key is the cause of the one that is missing.
            found = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")[0]
            # What concerns several tables says itself which key to point at.
            place = found["loc"] or found.get("ctx", {}).get("location", ())
            location = [part for part in place if _is_key(part)]
            raise self.fail(location, _explain(model, found)) from None

    def check_table(self, name: str, model: type[_Model]) -> _Model | None:
        """Check one table; the others belong to other programs, which check them.

        Args:
            name: of the table.
            model: of its content.

        Returns:
            The table; None when there is no such one.

        Raises:
            HubtoolError: as `check`.
        """
        fields: dict[str, Any] = {name: (model | None, None)}
        config = ConfigDict(extra="ignore", hide_input_in_errors=True)
        tables = self.check(create_model("Tables", __config__=config, **fields))
        table: _Model | None = getattr(tables, name)
        return table

    def fail(self, location: _Location, message: str) -> HubtoolError:
        """An error about one key; an error to raise."""
        return HubtoolError(one_line(f"{self._place(location)}{_key(location)}", message))

    @contextmanager
    def pointing_at(self, *location: str) -> Iterator[None]:
        """Errors that are raised in here are about one key.

        Raises:
            HubtoolError: in place of a HubtoolError or ValueError.
        """
        try:
            yield
        except (HubtoolError, ValueError) as error:
            raise self.fail(location, str(error)) from None

    def _place(self, _location: _Location) -> str:
        """What stands in front of the name of a key."""
        return ""


class SettingsFile(SettingsDocument):
    """A parsed TOML file that knows where its keys are.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        """Read and parse a file.

        Raises:
            HubtoolError: the file cannot be read, or is not TOML; the text names the line.
        """
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
            super().__init__(tomllib.loads(self._text), path.parent)
        except OSError as error:
            raise HubtoolError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise HubtoolError(f"{path}: not text in UTF-8: save it as UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            # The text of the error names line and column, and quotes at most a character.
            raise HubtoolError(f"{path}: not TOML: {error}") from None

    def line_of(self, location: _Location) -> int:
        """The line on which a key, or the table above it, stands; 1 when it is nowhere.

        TOML parsers tell no positions. A prefix of the file that ends before the key's line
        parses without the key, the next one that parses has it: in between is the line, however
        the key was written.
        """
        lines = self._text.splitlines(keepends=True)
        for depth in range(len(location), 0, -1):
            if not _holds(self.content, location[:depth]):
                continue
            last_without = 0
            for count in range(1, len(lines) + 1):
                try:
                    content = tomllib.loads("".join(lines[:count]))
                except tomllib.TOMLDecodeError:
                    continue  # in the middle of a value of several lines
                if _holds(content, location[:depth]):
                    return last_without + 1
                last_without = count
        return 1

    def _place(self, location: _Location) -> str:
        return f"{self.path}:{self.line_of(location)}: " if location else str(self.path)


def _holds(content: Any, location: _Location) -> bool:
    for part in location:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _key(location: Iterable[int | str]) -> str:
    # As TOML writes it; an item of a list by its number.
    return ".".join(str(part) for part in location)


def _is_key(part: int | str) -> bool:
    # In unions pydantic puts the name of the type it tried into the location.
    return isinstance(part, int) or not any(mark in part for mark in "[]()")


# Keys that people expect, and what does the same.
_INSTEAD = {("hub", "anonymous"): "a board without 'token' connects anonymously"}


def _explain(model: type[BaseModel], found: Any) -> str:
    kind, message = found["type"], found["msg"]
    if kind == "extra_forbidden":
        known = _keys_at(model, found["loc"][:-1])
        if found["loc"] in _INSTEAD:
            return f"unknown key: {_INSTEAD[found['loc']]}"
        close = difflib.get_close_matches(str(found["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"unknown key: {hint}"
    if kind == "missing":
        return "this key is missing: add it"
    if kind == "string_type":
        return "must be a text: write it in quotes"
    if kind == "model_type":
        return f"must be a table, such as [{_key(found['loc'])}]"
    return str(message_of(message).replace("Input should be", "must be"))


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that a model knows at a location."""
    here: Any = model
    for part in location:
        if isinstance(part, str) and _is_model(here) and part in here.model_fields:
            here = _first(here.model_fields[part].annotation, _is_model)
    return sorted(here.model_fields) if _is_model(here) else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _first(annotation: Any, wanted: Callable[[Any], bool]) -> Any:
    """The first type inside Optional, list, tuple or a union that is wanted."""
    if wanted(annotation):
        return annotation
    for inner in get_args(annotation):
        found = _first(inner, wanted)
        if found is not None:
            return found
    return None
