"""The streams of one connection: which data is accepted, which refused, which have timed out.

Without I/O and without a clock: requests and the time come in; publications, acks and errors come
out, in order. A client sends a stream in pieces numbered 1, 2, 3 ...; the service accepts them in
this order only (client protocol, section Streaming).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..names import is_group_name
from ..protocol.messages import (
    ILLEGAL_GROUP,
    DataKind,
    EndStream,
    Payload,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamErrorName,
    StreamInfo,
    StreamNack,
)

MAX_STREAM_ID = 1024
_EMPTY = Payload(DataKind.TEXT, b"")


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits and times of streams.

    Attributes:
        open_streams: how many one connection may have open.
        idle_timeout: seconds of silence after which a stream ends, unless its start says another.
    """

    open_streams: int = 100
    idle_timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Publication:
    """A part of a stream for the members of its group.

    Attributes:
        group: its name.
        payload: content; empty at the end of a stream.
        info: id of the stream, number of the part, whether it is the end.
        no_echo: whether the publisher gets no copy.
    """

    group: str
    payload: Payload
    info: StreamInfo
    no_echo: bool


Effect = Publication | StreamAck | StreamNack | StreamClosed


@dataclass(slots=True)
class _Stream:
    group: str
    no_echo: bool
    idle_timeout: float
    deadline: float
    expected: int = 1

    def is_begun_by(self, request: StartStream) -> bool:
        return self.expected == 1 and (request.group, request.no_echo) == (
            self.group,
            self.no_echo,
        )


class Streams:
    """The open streams of one connection.

    All times are seconds of one clock that never goes back. Whoever calls has to carry out the
    effects in their order, and to call `close_idle` at `next_deadline`.

    Args:
        limits: how many, and how long they may be silent.
        may_send: whether the client may publish to a group, asked for every piece: the
            permission may be taken away meanwhile.
    """

    __slots__ = ("_limits", "_may_send", "_open")

    def __init__(self, limits: StreamLimits, may_send: Callable[[str], bool]) -> None:
        self._limits = limits
        self._may_send = may_send
        self._open: dict[str, _Stream] = {}

    @property
    def next_deadline(self) -> float | None:
        """When the first stream will have been silent for too long; None without any."""
        return min((stream.deadline for stream in self._open.values()), default=None)

    # -- requests --------------------------------------------------------------------------

    def start(self, request: StartStream, now: float) -> list[Effect]:
        """Open a stream, or say why not."""
        stream_id = request.stream_id
        stream = self._open.get(stream_id)
        if stream is not None and stream.is_begun_by(request):
            # Sent again after a recovery: its ack was lost with the old WebSocket.
            return [StreamAck(stream_id, 1)]
        error = self._start_error(request)
        if error is not None:
            # The client takes streamClosed for the end of this id, whatever it had open.
            return self._close(stream_id, error, _cancelled(error.message))
        timeout_ms = request.idle_timeout_ms
        timeout = self._limits.idle_timeout if timeout_ms is None else timeout_ms / 1000
        self._open[stream_id] = _Stream(request.group, request.no_echo, timeout, now + timeout)
        return [StreamAck(stream_id, 1)]

    def _start_error(self, request: StartStream) -> StreamError | None:
        if not 0 < len(request.stream_id) <= MAX_STREAM_ID:
            return _bad_request(f"Illegal streamId: 1 to {MAX_STREAM_ID} characters.")
        if request.stream_id in self._open:
            return _bad_request("A stream with this streamId is open.")
        if request.surplus:
            return _bad_request("The start of a stream has no data, dataType or ackId.")
        if request.idle_timeout_ms == 0:
            return _bad_request("Illegal idleTimeoutMs: it must be greater than 0.")
        if not is_group_name(request.group):
            return _bad_request(ILLEGAL_GROUP.message)
        if not self._may_send(request.group):
            return _forbidden(request.group)
        if len(self._open) >= self._limits.open_streams:
            return _bad_request(
                f"Too many streams: a connection may have {self._limits.open_streams} open."
            )
        return None

    def data(self, request: StreamData, now: float) -> list[Effect]:
        """Take the next piece, or keep the stream alive."""
        stream = self._open.get(request.stream_id)
        if stream is None:
            return [_not_found(request.stream_id)]
        stream.deadline = now + stream.idle_timeout
        sequence_id, payload = request.sequence_id, request.payload
        if sequence_id is None and payload is None:
            return []
        if not sequence_id or payload is None:
            error = _bad_request("Stream data has data and a streamSequenceId from 1.")
            return self._close(request.stream_id, error, _cancelled(error.message))
        if sequence_id > stream.expected:
            return [_gap(request.stream_id, stream.expected, sequence_id)]
        if sequence_id < stream.expected:
            return [StreamAck(request.stream_id, stream.expected)]
        if not self._may_send(stream.group):
            error = _forbidden(stream.group)
            return self._close(request.stream_id, error, error)
        stream.expected += 1
        info = StreamInfo(request.stream_id, sequence_id)
        return [
            Publication(stream.group, payload, info, stream.no_echo),
            StreamAck(request.stream_id, stream.expected),
        ]

    def end(self, request: EndStream) -> list[Effect]:
        """Close a stream because its publisher says so."""
        if request.stream_id not in self._open:
            return [_not_found(request.stream_id)]
        error = None
        if request.failed:
            error = StreamError(
                StreamErrorName.USER_ERROR, request.message or "", request.user_error_code
            )
        return self._close(request.stream_id, None, error)

    # -- ends without a request ------------------------------------------------------------

    def close_idle(self, now: float) -> list[Effect]:
        """Close every stream that has been silent for too long."""
        effects: list[Effect] = []
        for stream_id, stream in tuple(self._open.items()):
            if stream.deadline <= now:
                text = f"The stream was silent for {stream.idle_timeout:g} s."
                error = StreamError(StreamErrorName.IDLE_TIMEOUT, text)
                effects += self._close(stream_id, error, error)
        return effects

    def close_all(self) -> list[Effect]:
        """Close every stream because the connection is over."""
        effects: list[Effect] = []
        error = _cancelled("The publisher is gone.")
        for stream_id in tuple(self._open):
            effects += self._close(stream_id, error, error)
        return effects

    def _close(
        self,
        stream_id: str,
        for_publisher: StreamError | None,
        for_group: StreamError | None,
    ) -> list[Effect]:
        closed = StreamClosed(stream_id, for_publisher)
        stream = self._open.pop(stream_id, None)
        if stream is None:
            return [closed]
        last = StreamInfo(stream_id, stream.expected, True, for_group)
        return [Publication(stream.group, _EMPTY, last, stream.no_echo), closed]


def _bad_request(message: str) -> StreamError:
    return StreamError(StreamErrorName.BAD_REQUEST, message)


def _cancelled(message: str) -> StreamError:
    return StreamError(StreamErrorName.CANCELLED, message)


def _forbidden(group: str) -> StreamError:
    text = f"The client has no permission to send message to group '{group}'."
    return StreamError(StreamErrorName.FORBIDDEN, text)


def _not_found(stream_id: str) -> StreamClosed:
    text = "No stream with this streamId is open on this connection."
    return StreamClosed(stream_id, StreamError(StreamErrorName.STREAM_NOT_FOUND, text))


def _gap(stream_id: str, expected: int, got: int) -> StreamNack:
    text = f"Out of order: {expected} was expected, {got} came."
    return StreamNack(stream_id, expected, StreamError(StreamErrorName.INVALID_SEQUENCE_ID, text))
