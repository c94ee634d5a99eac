"""Misbehaviour on command, for tests of clients: cuts, silence, delays, refusals, lost acks.

`models` says what can go wrong; `table` knows what does at the moment; `wire` does it to one
connection; `commands` is `LocalHub.faults`, and `endpoint` the same over HTTP.
"""

from __future__ import annotations

from .table import ActiveFault, Faults, Refusal

__all__ = ["ActiveFault", "Faults", "Refusal"]
