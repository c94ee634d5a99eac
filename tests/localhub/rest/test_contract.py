"""The data plane against its descriptions: its own, and Microsoft's where that is at hand.

schemathesis makes requests that fit a description, and requests that do not, and checks every
answer: no failure of the service, no status, content type or body that is not described, what
fits is not called malformed, and what does not fit is refused.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localhub.rest.description import describe
from localhub.rest.table import OPERATIONS
from schemathesis import Case, GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

# Microsoft's files are not part of this repository. They are found where the variable says, or
# in a folder of reference material beside the repository.
BESIDE = Path(__file__).parents[4].glob("*/reference/data/webpubsub-*.openapi.json")
NAMED = os.environ.get("WEBPUBSUB_OPENAPI")
MICROSOFT = [Path(NAMED)] if NAMED else sorted(BESIDE)

careful = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def description(path: Path | None) -> dict[str, Any]:
    """What Microsoft's file describes, or the service itself."""
    return describe(OPERATIONS) if path is None else json.loads(path.read_text("utf-8"))


def labels(path: Path | None) -> list[Any]:
    """Parameters for each operation of a description: the file, and "METHOD /path"."""
    name = "own" if path is None else path.name.split(".")[0]
    return [
        pytest.param((path, label), id=f"{name} {label}")
        for place, methods in description(path)["paths"].items()
        for label in (f"{method.upper()} {place}" for method in methods)
    ]


@lru_cache
def operations(path: Path | None) -> dict[str, Any]:
    """The operations of a description by their labels.

    Made by the worker that needs them, since that takes a second for each description. Every
    request is signed by `Service.sign`, so a broken Authorization header would be mended:
    security is left out here, and tested in test_authentication.py.
    """
    described = description(path)
    for methods in described["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(described)
    found = (result.ok() for result in schema.get_all_operations())
    return {one.label: one for one in found}


@pytest.fixture
def operation(request: pytest.FixtureRequest) -> Any:
    """The operation that the parameters name."""
    path, label = request.param
    return operations(path)[label]


OWN = labels(None)
THEIRS = [labels(path) for path in MICROSOFT]

# What a JSON schema cannot say: strings with a grammar, and members that would be ignored
# although they may be a misspelled `filter`, which means everybody.
LEGAL = {
    # Clients of other types are not served: 501, as the description says.
    "clientType": "Default",
    "api-version": "2024-12-01",
    "filter": "userId eq 'al'",
    "continuationToken": "YQ",
    "role": ["webpubsub.sendToGroup.g"],
    "group": ["g"],
    "groups": ["g"],
    "targetName": "g",
    "userId": "al",
}
LIVE = {"hub": "chargers", "connectionId": "live", "userId": "al", "group": "g"}
NUMBERS = {"maxpagesize", "top", "messageTtlSeconds", "minutesToExpire"}


def make_legal(case: Case) -> None:
    """Replace what fits the schema, but is illegal for a reason that the schema cannot say."""
    if isinstance(case.query, dict):
        case.query.update({name: LEGAL[name] for name in case.query if name in LEGAL})
    if isinstance(case.body, dict) and case.path.endswith("Groups"):
        case.body = {name: LEGAL[name] for name in case.body if name in ("groups", "filter")}


def has_to_be_refused(mutation: Any) -> bool:
    """Whether it shows that a request does not fit.

    Every text is a legal string of a query and a legal text message, whatever type it was made
    from; unknown parameters are ignored, as HTTP has it; and without an api-version the newest
    one is meant, as in Microsoft's emulator.
    """
    if mutation.parameter_location is ParameterLocation.PATH:
        return True
    if mutation.parameter_location is ParameterLocation.BODY:
        return bool(mutation.schema_pointer)
    return mutation.parameter in NUMBERS and "required" not in mutation.keywords


def validate(case: Case, response: Any, *, refuse: bool = True) -> None:
    excluded = [checks.ignored_auth]
    if not response.content:
        # Microsoft's file gives answers without a body a content type.
        excluded.append(checks.content_type_conformance)
    if not refuse:
        excluded.append(checks.negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded)


@pytest.mark.parametrize("operation", sum(THEIRS, OWN), indirect=True)
def test_what_fits_is_accepted(service, operation):
    @careful
    @given(operation.as_strategy(GenerationMode.POSITIVE), st.booleans())
    def check(case: Case, live: bool) -> None:
        service.wait_for(service.populate())
        make_legal(case)
        if live and case.path_parameters:
            names = [name for name in case.path_parameters if name in LIVE]
            case.path_parameters.update({name: LIVE[name] for name in names})
        response = service.call(case)
        validate(case, response)
        if live and "{hub}" in case.path:
            assert response.status_code < 300 or case.method == "HEAD"

    check()


@pytest.mark.parametrize("operation", sum(THEIRS[-1:], OWN), indirect=True)
def test_what_does_not_fit_is_refused(service, operation):
    @careful
    @given(operation.as_strategy(GenerationMode.NEGATIVE))
    def check(case: Case) -> None:
        service.wait_for(service.populate())
        mutations = case.meta.phase.data.mutations
        response = service.call(case)
        validate(case, response, refuse=any(map(has_to_be_refused, mutations)))

    check()


def test_the_description_is_served_to_everybody(service):
    answer = service.session.get(f"{service.hub.endpoint}/openapi.json", timeout=20)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == json.loads(json.dumps(describe(OPERATIONS)))


def test_what_needs_a_token_is_refused_without_one(service):
    values = {"hub": "h", "permission": "sendToGroup"}
    for operation in OPERATIONS:
        path = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "x"), operation.path)
        answer = service.session.request(operation.method, service.hub.endpoint + path, timeout=20)
        assert answer.status_code == (200 if operation.data_action is None else 401)


def test_microsoft_s_description_names_the_same_operations():
    if not MICROSOFT:
        pytest.skip(
            "Microsoft's OpenAPI file is not here (WEBPUBSUB_OPENAPI can name it): only the "
            "service's own description is checked"
        )
    newest = json.loads(MICROSOFT[-1].read_text("utf-8"))
    theirs = {
        (method.upper(), path): operation
        for path, methods in newest["paths"].items()
        for method, operation in methods.items()
    }
    ours = {(one.method, one.path): one for one in OPERATIONS}
    assert set(theirs) == set(ours)
    for key, operation in theirs.items():
        success = min(int(status) for status in operation["responses"] if status.isdigit())
        assert ours[key].success == success
        names = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
        assert {one.name for one in ours[key].query} == names - {"api-version"}
        repeated = {one["name"] for one in operation["parameters"] if one.get("type") == "array"}
        assert {one.name for one in ours[key].query if one.repeated} == repeated
