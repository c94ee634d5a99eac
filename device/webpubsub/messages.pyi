from typing import Any, Literal

_DataType = Literal["json", "text", "binary", "protobuf"]

ACK: int
CONNECTED: int
DISCONNECTED: int

class Message:
    kind: Literal["group", "server"]
    group: str | None
    data: Any
    data_type: _DataType
    from_user_id: str | None
    sequence_id: int | None
    def __init__(
        self,
        kind: Literal["group", "server"],
        group: str | None,
        data: Any,
        data_type: _DataType,
        from_user_id: str | None,
        sequence_id: int | None,
    ) -> None: ...
