"""What the tables of a settings file are made of: fields that several of them have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
)

from ..names import check_hub_name
from ..secrets import SecretSource
from ..tokens.access_token import split_endpoint


def _endpoint(value: str) -> str:
    split_endpoint(value)
    return value.rstrip("/")


def _secret_place(value: Any) -> Any:
    if isinstance(value, str):
        # The value itself must not get into the text.
        raise ValueError(
            "a secret is not written into this file: use "
            '{ env = "NAME" }, { file = "path" } or { prompt = true }'
        )
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Endpoint = Annotated[str, AfterValidator(_endpoint)]
HubName = Annotated[str, AfterValidator(check_hub_name)]
SecretPlace = Annotated[SecretSource, BeforeValidator(_secret_place)]
NotEmpty = Annotated[str, StringConstraints(min_length=1)]
# One text, or a list of them.
Names = Annotated[tuple[NotEmpty, ...], BeforeValidator(_one_or_more)]


class Table(BaseModel):
    """A table of a TOML file of the user's: unknown keys are refused, values not shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
