class Backoff:
    first: float
    maximum: float
    factor: float
    attempts: int | None
    stable: float
    attempt: int
    delay: float
    def __init__(
        self,
        first: float = 1,
        maximum: float = 60,
        factor: float = 2,
        attempts: int | None = None,
        stable: float = 30,
    ) -> None: ...
    def next(self) -> float | None: ...
    def connected(self, seconds: float) -> None: ...
