"""What people write into TOML files is taken as it is written: a number is no text, a switch no 1.

`interval = true` would be an interval of a second, and `port = "7081"` would hide a mistake that
other programs do not forgive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from hubtool.servers.handler_table import HandlerTable
from hubtool.servers.negotiate_table import NegotiateTable
from hubtool.settings.model import DeviceSettings
from localhub.config import Config
from localhub.entra.settings import EntraSettings
from micropython_webpubsub.boards import Board
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model

FILES = (Board, Config, DeviceSettings, EntraSettings, HandlerTable, NegotiateTable)
# By the type of a field: what else Python would take for one.
LOOKALIKES: dict[type, tuple[Any, ...]] = {
    int: (True, 1.0, "1"),
    float: (True, "1"),
    bool: (1, 0, "true", "yes"),
}


def types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from types_in(inner)


def tables(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """A model, and those of the tables in it."""
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for found in types_in(field.annotation):
            if isinstance(found, type) and issubclass(found, BaseModel):
                yield from tables(found, seen)


def fields() -> Iterator[Any]:
    seen: set[type[BaseModel]] = set()
    for file in FILES:
        for table in tables(file, seen):
            for name, field in table.model_fields.items():
                kinds = [kind for kind in types_in(field.annotation) if kind in LOOKALIKES]
                if kinds:
                    yield pytest.param(field, kinds[0], id=f"{table.__name__}.{name}")


@pytest.mark.parametrize(("field", "kind"), list(fields()))
def test_nothing_else_is_taken_for_it(field: Any, kind: type) -> None:
    alone = create_model("Alone", value=(Annotated[field.annotation, field], Field()))
    several = any(inner is Ellipsis for inner in types_in(field.annotation))
    # Sizes of a board are also written as '4 MiB'.
    read_from_text = any(isinstance(one, BeforeValidator) for one in field.metadata)
    for value in LOOKALIKES[kind]:
        if read_from_text and isinstance(value, str):
            continue
        with pytest.raises(ValidationError):
            alone.model_validate({"value": [value] if several else value})
