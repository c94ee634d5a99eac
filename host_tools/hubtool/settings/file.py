"""A TOML file of the user's, with the line of every key for error messages."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

from micropython_webpubsub.text_files import NotUtf8, read_text
from micropython_webpubsub.toml_errors import explain_toml_error
from micropython_webpubsub.toml_lines import line_of, lines_of
from micropython_webpubsub.validation import in_words, one_line
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
        given = self.content if content is None else content
        try:
            return model.model_validate(given)
        except ValidationError as error:
            # Unknown keys first: a misspelt key is the cause of the one that is missing.
            found = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
            # What concerns several keys says itself which one to point at.
            place = (*found["loc"], *found.get("ctx", {}).get("location", ()))
            location = list(_written(given, place, found["type"] == "missing"))
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
            self._text = read_text(path)
            super().__init__(tomllib.loads(self._text), path.parent)
        except OSError as error:
            raise HubtoolError(f"{path}: cannot be read: {error.strerror}") from None
        except NotUtf8 as error:
            raise HubtoolError(f"{path}: {error}") from None
        except tomllib.TOMLDecodeError as error:
            line, message = explain_toml_error(self._text, str(error))
            raise HubtoolError(f"{path}:{line}: not TOML: {message}") from None
        except RecursionError:
            raise HubtoolError(
                f"{path}: not TOML: tables or lists too deep in each other"
            ) from None

    def line_of(self, location: _Location) -> int:
        """The line on which a key, or the table above it, stands; 1 when it is nowhere."""
        return line_of(lines_of(self._text), location)

    def _place(self, location: _Location) -> str:
        return f"{self.path}:{self.line_of(location)}: " if location else str(self.path)


def _written(content: Any, place: _Location, missing: bool) -> Iterator[int | str]:
    """A place as pydantic tells it, in the keys of the file.

    Where it tries several types, pydantic puts the name of one into the place. What a validator
    has joined to one key, such as `query.id` of a handler's rule, are two tables in the file.

    Args:
        content: of the file.
        place: of the error.
        missing: whether its last part is a key that is not there.
    """
    for position, part in enumerate(place, 1):
        if missing and position == len(place):
            yield part
            continue
        keys = (
            part.split(".", 1) if isinstance(part, str) and not _holds(content, part) else [part]
        )
        for key in keys:
            if _holds(content, key):
                content = content[key]
                yield key


def _holds(content: Any, key: int | str) -> bool:
    if isinstance(key, int):
        return isinstance(content, list) and key < len(content)
    return isinstance(content, dict) and key in content


def _key(location: Iterable[int | str]) -> str:
    # As TOML writes it; an item of a list by its number.
    return ".".join(str(part) for part in location)


# Keys that people expect, and what does the same.
_INSTEAD = {("hub", "anonymous"): "a board without 'token' connects anonymously"}


def _explain(model: type[BaseModel], found: Any) -> str:
    kind, place = found["type"], found["loc"]
    if kind == "extra_forbidden":
        known = _keys_at(model, place[:-1])
        if place in _INSTEAD:
            return f"unknown key: {_INSTEAD[place]}"
        close = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"unknown key: {hint}"
    if kind == "missing":
        return "this key is missing: add it"
    if kind == "model_type":
        return f"must be a table, such as [{_key(place)}]"
    return in_words(found)


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
