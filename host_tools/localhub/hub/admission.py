"""How many connections there may be: of the service, and of one peer address."""

from __future__ import annotations

from ..errors import LimitError


class Admission:
    """Counts connections from before their connect handler is asked until their session ends.

    Args:
        connections: how many there may be.
        per_address: how many of them one peer address may have.
    """

    def __init__(self, connections: int, per_address: int) -> None:
        self._connections = connections
        self._per_address = per_address
        self._total = 0
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return self._total

    @property
    def addresses(self) -> int:
        """How many addresses have a connection."""
        return len(self._counts)

    def enter(self, address: str) -> None:
        """Count one more; each has to be followed by one `leave`.

        Raises:
            LimitError: there are as many as there may be; nothing is counted.
        """
        if self._total >= self._connections:
            raise LimitError(
                f"the service has {self._connections} connections already "
                "(service.limits.connections)"
            )
        count = self._counts.get(address, 0)
        if count >= self._per_address:
            raise LimitError(
                f"this address has {self._per_address} connections already "
                "(service.limits.connections_per_address)"
            )
        self._counts[address] = count + 1
        self._total += 1

    def leave(self, address: str) -> None:
        """Count one less. An address without connections is ignored."""
        count = self._counts.pop(address, 0)
        if count:
            self._total -= 1
        if count > 1:
            self._counts[address] = count - 1
