"""What an operation of the data plane is made of. Routes, checks and description come from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..hub.hub import Hub

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path or a query.

    Attributes:
        name: as it is written on the wire; in a query its case does not count.
        description: for the service's own description.
        schema: its JSON schema; of one value, when it is repeated.
        read: turns the decoded text into a value; raises ValueError, whose text says what is
            right, or RestError.
        repeated: whether it may occur any number of times; its value is then a tuple.
        default: the value when it is absent.
    """

    name: str
    description: str
    schema: Schema
    read: Callable[[str], Any]
    repeated: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request.

    Attributes:
        description: for the service's own description.
        content: schemas by content type.
        read: makes a value of the bytes and their content type; raises RestError.
    """

    description: str
    content: dict[str, Schema]
    read: Callable[[bytes, str], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call with everything checked.

    Attributes:
        hub: the hub; an empty one when nothing has ever connected to it.
        values: path and query values by the names of their parameters; each as that parameter
            reads it (`Parameter.read`: str, int, a filter; a tuple of them where it is
            repeated), absent ones with its default.
        body: what the operation's body reads; None without one.
        origin: scheme and host as the caller knows them, such as `http://localhost:7080`.
        path: the path as it was sent, still percent-encoded.
        version: the api-version, if the caller named one.
        issue_token: makes a Client Access Token, see `tokens.TokenIssuer`.
    """

    hub: Hub
    values: dict[str, Any]
    body: Any
    origin: str
    path: str
    version: str | None
    issue_token: Callable[..., str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation (REST data plane, section 2).

    Attributes:
        id: its name.
        method: HTTP method.
        path: the path, with parameters in braces.
        summary: one line for the service's own description.
        run: does it. What it returns becomes the JSON of the answer; it raises RestError.
        success: status of a call that worked.
        errors: further statuses than those that every call can have, and what they mean.
        query: its query parameters, besides the api-version.
        body: its body, if it takes one.
        answer: schema of the answer; None for an empty one.
        data_action: the right that it needs, behind `Microsoft.SignalRService/WebPubSub/`;
            None for a call that needs no authentication.
    """

    id: str
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    run: Callable[[Call], Any]
    success: int
    data_action: str | None
    errors: dict[int, str] = field(default_factory=dict)
    query: tuple[Parameter, ...] = ()
    body: Body | None = None
    answer: Schema | None = None
