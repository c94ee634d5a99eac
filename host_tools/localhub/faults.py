"""Misbehaviour on command, for tests of clients. Idle unless `control` sets it."""

from __future__ import annotations


class Faults:
    """What the service still has to do wrong.

    Attributes:
        upgrades_to_refuse: how many of the next upgrades fail.
        refusal_status: the HTTP status that they fail with.
        acks_to_withhold: how many of the next acks are lost on the way.
    """

    def __init__(self) -> None:
        self.upgrades_to_refuse = 0
        self.refusal_status = 503
        self.acks_to_withhold = 0

    def refuses_upgrade(self) -> bool:
        """Whether to refuse this upgrade; counts it."""
        if self.upgrades_to_refuse <= 0:
            return False
        self.upgrades_to_refuse -= 1
        return True

    def withholds_ack(self) -> bool:
        """Whether to lose this ack; counts it."""
        if self.acks_to_withhold <= 0:
            return False
        self.acks_to_withhold -= 1
        return True
