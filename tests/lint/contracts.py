"""Contracts of import-linter that see what device code loads by name, too."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from .loads import loads


def add_loads(graph: ImportGraph) -> None:
    """Make an import of each load by name: in the graph of one contract, which is a copy."""
    for load in loads():
        graph.add_import(
            importer=load.importer,
            imported=load.imported,
            line_number=load.line,
            line_contents=load.text,
        )


class DeviceLayers(LayersContract):
    """`layers` for device code: imports and loads by name go downwards."""

    type_name = "device_layers"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check a copy of the graph with the loads in it."""
        add_loads(graph)
        return super().check(graph, verbose)


class DeviceForbidden(ForbiddenContract):
    """`forbidden` for device code: neither imported nor loaded by name."""

    type_name = "device_forbidden"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check a copy of the graph with the loads in it."""
        add_loads(graph)
        return super().check(graph, verbose)
