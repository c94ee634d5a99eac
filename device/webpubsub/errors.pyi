from typing import Literal

_Outcome = Literal["not_sent", "refused", "unknown"]

NOT_SENT: Literal["not_sent"]
REFUSED: Literal["refused"]
UNKNOWN: Literal["unknown"]

class TransportError(OSError):
    outcome: _Outcome

class OutOfMemory(TransportError): ...

class HandshakeError(TransportError):
    status: int
    reason: str
    retry_after: float | None
    def __init__(
        self, text: str, status: int = 0, reason: str = "", retry_after: float | None = None
    ) -> None: ...

class ConnectionClosed(TransportError):
    code: int
    reason: str
    def __init__(self, code: int = 1006, reason: str = "") -> None: ...

class DeadlineError(TransportError): ...
class WebPubSubError(Exception): ...

class ProtocolError(WebPubSubError):
    code: int
    def __init__(self, code: int, text: str) -> None: ...

class AckError(WebPubSubError):
    name: str
    outcome: _Outcome
    def __init__(self, name: str, text: str) -> None: ...

class SessionLost(WebPubSubError):
    outcome: _Outcome
    def __init__(self, outcome: _Outcome) -> None: ...

class Stopped(WebPubSubError):
    reason: BaseException | str
    def __init__(self, reason: BaseException | str) -> None: ...
