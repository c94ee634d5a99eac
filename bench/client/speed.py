"""CPU for a message: there and back, and one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..measure import HERE, Figure, Program, Run, interleaved
from ..plot import Bar
from ..sheet import Sheet
from .build import HEAP, LARGE_HEAP, Libraries
from .server import LINKS, Echo

_BASE = "stock stream"
_RECEIVE, _VIEW, _PORTABLE = "receive", "receive_view", "receive, portable kernels"
_HOST, _PEER = "CPython websockets", "chumicro"
# From this length on, it matters how often the collector must make room.
_LONG = 16384
# What is aimed at, for either call.
_GOALS = {64: "1.3", 1024: "1.3", 16384: "1.8"}


def round_trips(
    libraries: Libraries, echo: Echo, rounds: int, counts: Mapping[int, int]
) -> tuple[list[Sheet], list[Bar]]:
    """Client CPU for a round trip, one message in flight."""
    rows, portable, bars = [], [], []
    for length, count in counts.items():
        cases = [(link, HEAP) for link in LINKS]
        if length >= _LONG:
            cases.append(("ws", LARGE_HEAP))
        for link, heap in cases:
            runs = _echo_runs(libraries, echo, link, length, count, heap)
            found = interleaved(runs, rounds)
            base = found[_BASE]
            named = f"{length:,} B, {link}"
            if heap != HEAP:
                named += f", {heap} heap"
            figures = {name: Figure.of(values) for name, values in found.items()}
            ratios = {name: Figure.ratio(values, base) for name, values in found.items()}
            rows.append(
                [
                    named,
                    figures[_BASE].shown(),
                    _GOALS.get(length, ""),
                    *_with_ratio(figures, ratios, _RECEIVE),
                    *_with_ratio(figures, ratios, _VIEW),
                    *_with_ratio(figures, ratios, _HOST),
                    *(
                        _with_ratio(figures, ratios, _PEER)
                        if _PEER in figures
                        else ("cannot run", "")
                    ),
                ]
            )
            if _PORTABLE in figures:
                cells = _with_ratio(figures, ratios, _PORTABLE)
                portable.append([named, figures[_BASE].shown(), *cells])
            for name in (_RECEIVE, _VIEW, _PORTABLE, _HOST, _PEER):
                if name in ratios and heap == HEAP:
                    own = name in (_RECEIVE, _VIEW, _PORTABLE)
                    bars.append(Bar(f"{named}: {name}", ratios[name], "own" if own else "peer"))
    return [_round_trip_sheet(rows, libraries), _portable_sheet(portable)], bars


def _echo_runs(
    libraries: Libraries, echo: Echo, link: str, length: int, count: int, heap: str
) -> dict[str, Run]:
    environment = {**echo.variables(link), "SIZE": length}
    if link == "wss":
        count //= 3
    own = libraries.program("websocket_echo", heap=heap)
    runs = {
        _BASE: Run(libraries.program("stream_echo", heap=heap), environment, count),
        _RECEIVE: Run(own, environment, count),
        _VIEW: Run(own, {**environment, "VIEW": 1}, count),
        _HOST: Run(Program("websockets_echo", HERE / "host"), environment, count),
    }
    if link == "ws":
        slow = libraries.program("websocket_echo", heap=heap, portable=True)
        runs[_PORTABLE] = Run(slow, environment, count)
    if not libraries.peer_missing:
        # It takes many times as long for each.
        runs[_PEER] = Run(
            libraries.program("chumicro_echo", heap=heap), environment, max(count // 8, 12)
        )
    return runs


def _with_ratio(
    figures: Mapping[str, Figure], ratios: Mapping[str, Figure], name: str
) -> tuple[str, str]:
    return figures[name].shown(), ratios[name].shown(2)


def _round_trip_sheet(rows: Sequence[Sequence[str]], libraries: Libraries) -> Sheet:
    columns = ["Message", "Stock stream µs", "Goal, at most"]
    for name in ("`receive`", "`receive_view`", "CPython websockets", "chumicro"):
        columns += [f"{name} µs", "Ratio"]
    note = f"chumicro: {libraries.peer_missing}." if libraries.peer_missing else ""
    return Sheet("Client CPU for a round trip, one message in flight", columns, rows, note)


def _portable_sheet(rows: Sequence[Sequence[str]]) -> Sheet:
    columns = ("Message", "Stock stream µs", "`receive` µs", "Ratio")
    return Sheet("The same with the portable kernels", columns, rows)


def one_way(
    libraries: Libraries, echo: Echo, rounds: int, counts: Mapping[int, int]
) -> tuple[Sheet, list[Bar]]:
    """Client CPU for a message without an answer."""
    rows, bars = [], []
    for length, count in counts.items():
        environment = {**echo.variables("ws"), "SIZE": length}
        base, own = libraries.program("stream_one_way"), libraries.program("one_way")
        for way, calls in (("send", {"send_bytes": "send"}), ("receive", _RECEIVING)):
            runs = {_BASE: Run(base, {**environment, "WAY": way}, count)}
            for call, named in calls.items():
                runs[call] = Run(own, {**environment, "WAY": named}, count)
            found = interleaved(runs, rounds)
            for call in calls:
                ratio = Figure.ratio(found[call], found[_BASE])
                rows.append(
                    [
                        f"{length:,} B",
                        f"`{call}`",
                        Figure.of(found[_BASE]).shown(2),
                        Figure.of(found[call]).shown(2),
                        ratio.shown(2),
                    ]
                )
                bars.append(Bar(f"{length:,} B, one way: {call}", ratio, "own"))
    columns = ("Message", "Call", "Stock stream µs", "webpubsub µs", "Ratio")
    return Sheet("Client CPU for a message one way, over ws", columns, rows), bars


_RECEIVING = {"receive": "receive", "receive_view": "view", "poll_view": "poll"}
