"""The description of the data plane as an OpenAPI 3.0 document, made from the operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .errors import RestError
from .operations import Operation, Parameter, Schema
from .parameters import API_VERSION, PATH, STABLE_VERSIONS

_ERROR: Schema = {"$ref": "#/components/schemas/Error"}
_ERROR_HEADERS = {
    "x-ms-error-code": {"description": "The code of the error.", "schema": {"type": "string"}}
}
_EVERY_CALL = {400: "The path, a parameter or the body is illegal."}
_WITH_AUTHENTICATION = {
    401: "The token is missing, or refused.",
    403: "The caller is known, but lacks the right.",
    429: "Too many calls.",
}
_WITH_BODY = {
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type is not taken.",
}


def statuses(operation: Operation) -> dict[int, str]:
    """Every status that an operation answers with, and what it means."""
    meanings = {operation.success: "Done.", **_EVERY_CALL, **operation.errors}
    if operation.data_action is not None:
        meanings |= _WITH_AUTHENTICATION
    if operation.body is not None:
        meanings |= _WITH_BODY
    return dict(sorted(meanings.items()))


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """An OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Local Web PubSub: data plane",
            "description": "How application servers reach the clients of a hub.",
            "version": STABLE_VERSIONS[-1],
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _error_schema()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "HS256, signed with an access key; `aud` is the URL.",
                }
            },
        },
    }


def _error_schema() -> Schema:
    text: Schema = {"type": "string"}
    names = RestError(400, "", target="").body()
    return {
        "type": "object",
        "properties": dict.fromkeys(names, text),
        "required": ["code", "message"],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", operation.path)
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [
            *(_parameter(PATH[name], "path") for name in names),
            *(_parameter(one, "query") for one in (*operation.query, API_VERSION)),
        ],
        "responses": {
            str(status): _response(operation, status, meaning)
            for status, meaning in statuses(operation).items()
        },
        "security": [] if operation.data_action is None else [{"bearer": []}],
    }
    if operation.body is not None:
        content = {name: {"schema": one} for name, one in operation.body.content.items()}
        described["requestBody"] = {
            "description": operation.body.description,
            "required": True,
            "content": content,
        }
    return described


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    schema = parameter.schema
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "required": place == "path",
        "schema": schema,
    }
    if parameter.repeated:
        described |= {"schema": {"type": "array", "items": schema}, "explode": True}
    return described


def _response(operation: Operation, status: int, meaning: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": meaning}
    if status >= 400:
        response["headers"] = _ERROR_HEADERS
    # What answers HEAD has no body.
    schema = _ERROR if status >= 400 else operation.answer
    if schema is not None and operation.method != "HEAD":
        response["content"] = {"application/json": {"schema": schema}}
    return response
