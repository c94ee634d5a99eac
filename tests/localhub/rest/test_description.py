"""docs/rest.md and the service's own description say what the table of operations says."""

from __future__ import annotations

import re
from pathlib import Path

from localhub.rest.description import describe, statuses
from localhub.rest.table import OPERATIONS

_ROW = r"^\| `([A-Z]+) (\S+)`: .* \| (.*) \| (.*) \| (.*) \| (.*) \|$"
PAGE = (Path(__file__).parents[3] / "docs" / "rest.md").read_text("utf-8")


def test_the_page_lists_every_operation_with_its_parameters_and_statuses():
    rows = re.findall(_ROW, PAGE, re.M)
    listed = {(method, path.replace("…", "/api/hubs/{hub}")): rest for method, path, *rest in rows}
    assert len(rows) == len(listed) == len(OPERATIONS)
    for operation in OPERATIONS:
        query, body, works, fails = listed[operation.method, operation.path]
        names = [f"`{one.name}`" + ("*" if one.repeated else "") for one in operation.query]
        assert query == (", ".join(names) or "–")
        assert (body == "–") == (operation.body is None)
        assert works == f"{operation.success}" + (" JSON" if operation.answer else "")
        assert fails == ", ".join(str(one) for one in statuses(operation) if one >= 400)


def test_the_page_explains_every_status():
    explained = set(re.findall(r"^\| (\d{3}) \| ", PAGE, re.M))
    failures = {str(one) for op in OPERATIONS for one in statuses(op) if one >= 400}
    assert failures <= explained


def test_every_operation_is_described():
    description = describe(OPERATIONS)
    described = {
        (method.upper(), path): one
        for path, methods in description["paths"].items()
        for method, one in methods.items()
    }
    assert set(described) == {(one.method, one.path) for one in OPERATIONS}
    names = [one["operationId"] for one in described.values()]
    assert len(set(names)) == 25
    for operation in OPERATIONS:
        one = described[operation.method, operation.path]
        assert set(one["responses"]) == {str(status) for status in statuses(operation)}
        assert all(f"{{{name}}}" in operation.path for name in _path_names(one))
        assert one["security"] == ([] if operation.data_action is None else [{"bearer": []}])


def _path_names(described: dict) -> list[str]:
    return [one["name"] for one in described["parameters"] if one["in"] == "path"]
