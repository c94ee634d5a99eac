"""Whatever happens: contactor and state agree, bills are what the meters counted, in order."""

from __future__ import annotations

from typing import Any

import pytest
from chargepoint.connector import Connector
from chargepoint.core import Core
from chargepoint.queue import TransactionQueue
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.chargepoint.world import World

CONNECTOR = st.sampled_from((1, 2))
TAG = st.sampled_from(("T1", "t1", "T2", "Other"))
REGISTER = "Energy.Active.Import.Register"
KEYS: dict[str, tuple[str, ...]] = {
    "MeterValueSampleInterval": ("0", "5", "60", "-1"),
    "ClockAlignedDataInterval": ("0", "30", "x"),
    "MeterValuesSampledData": (REGISTER, f"Voltage,{REGISTER}", "Nonsense", ""),
    "StopTxnSampledData": (REGISTER, "", "Voltage,SoC"),
    "StopTxnAlignedData": ("Voltage", ""),
    "StopTransactionOnEVSideDisconnect": ("true", "false"),
    "StopTransactionOnInvalidId": ("true", "false"),
    "UnlockConnectorOnEVSideDisconnect": ("true", "false"),
    "LocalPreAuthorize": ("true", "false"),
    "AllowOfflineTxForUnknownId": ("true", "false"),
    "AuthorizeRemoteTxRequests": ("true", "false"),
    "AuthorizationCacheEnabled": ("true", "false"),
    "MinimumStatusDuration": ("0", "20"),
    "ConnectionTimeOut": ("5", "100"),
    "HeartbeatInterval": ("10", "3600"),
    "NumberOfConnectors": ("7",),
    "Nonsense": ("1",),
}


def _asking() -> st.SearchStrategy[tuple[Any, ...]]:
    anything = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers()))
    some = st.dictionaries(
        st.sampled_from(("connectorId", "idTag", "type", "key", "value", "extra")), anything
    )
    calls = st.one_of(
        st.tuples(
            st.just("RemoteStartTransaction"),
            st.fixed_dictionaries({"idTag": TAG}, optional={"connectorId": CONNECTOR}),
        ),
        st.just(("RemoteStopTransaction", {"transactionId": "any"})),
        st.tuples(
            st.just("Reset"), st.fixed_dictionaries({"type": st.sampled_from(("Hard", "Soft"))})
        ),
        st.tuples(
            st.just("ChangeAvailability"),
            st.fixed_dictionaries(
                {
                    "connectorId": st.integers(0, 3),
                    "type": st.sampled_from(("Operative", "Inoperative")),
                }
            ),
        ),
        st.tuples(
            st.just("UnlockConnector"), st.fixed_dictionaries({"connectorId": st.integers(0, 3)})
        ),
        st.tuples(
            st.just("TriggerMessage"),
            st.fixed_dictionaries(
                {
                    "requestedMessage": st.sampled_from(
                        ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues")
                    )
                },
                optional={"connectorId": st.integers(0, 3)},
            ),
        ),
        st.sampled_from(sorted(KEYS)).flatmap(
            lambda key: st.tuples(
                st.just("ChangeConfiguration"),
                st.fixed_dictionaries({"key": st.just(key), "value": st.sampled_from(KEYS[key])}),
            )
        ),
        st.tuples(
            st.just("GetConfiguration"),
            st.fixed_dictionaries(
                {}, optional={"key": st.lists(st.sampled_from(sorted(KEYS)), max_size=3)}
            ),
        ),
        st.just(("ClearCache", {})),
        st.tuples(
            st.sampled_from(
                ("Reset", "ChangeAvailability", "DataTransfer", "ReserveNow", "Nonsense")
            ),
            some,
        ),
    )
    return calls.map(lambda call: ("ask", *call))


# Those that matter most are there more than once.
_TALK = st.one_of(
    st.just(("talk",)),
    st.tuples(
        st.just("talk"),
        st.sampled_from(("Start", "Stop", "Meter", "S", "")),
        st.sampled_from(("blocked", "error", "nonsense", "lost", "late", "twice")),
    ),
)
_CODE = st.sampled_from((None, None, "GroundFailure", "OtherError"))
STEPS = st.one_of(
    st.tuples(st.just("plug"), CONNECTOR),
    st.tuples(st.just("unplug"), CONNECTOR),
    st.tuples(st.just("ready"), CONNECTOR, st.booleans()),
    st.tuples(st.just("tag"), CONNECTOR, TAG),
    st.tuples(st.just("tag"), CONNECTOR, TAG),
    st.tuples(st.just("fault"), CONNECTOR, _CODE),
    st.tuples(st.just("time"), st.integers(1, 130)),
    st.tuples(st.just("time"), st.integers(1, 130)),
    st.just(("connect",)),
    st.just(("connect",)),
    st.just(("connect",)),
    st.just(("lose",)),
    _TALK,
    _TALK,
    _TALK,
    _TALK,
    _asking(),
    _asking(),
    st.tuples(st.just("cut_after"), st.integers(0, 6), st.booleans()),
    st.just(("power_cut",)),
)
# Where much happens: connected, with a cable and a card in.
BEGUN: list[tuple[Any, ...]] = [
    ("connect",),
    ("talk",),
    ("plug", 1),
    ("tag", 1, "T1"),
    ("talk",),
    ("ready", 1, True),
    ("plug", 2),
    ("ready", 2, True),
    ("tag", 2, "T2"),
]


def play(steps: list[tuple[Any, ...]], journal: int, resume: bool, connects: bool = True) -> None:
    """Do these steps one after the other, and look after each."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(
            patch,
            journal,
            resume,
            connects,
            MeterValueSampleInterval="5",
            StopTxnSampledData=REGISTER,
            AllowOfflineTxForUnknownId="true",
        )
        world.check()
        for step in steps:
            world.run(step)
        world.end()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(
    steps=st.integers(0, 40).flatmap(lambda size: st.lists(STEPS, min_size=size, max_size=size)),
    begun=st.sampled_from((0, 6, 9)),
    journal=st.sampled_from((300, 700, 16384)),
    resume=st.booleans(),
    connects=st.booleans(),
)
def test_whatever_happens(
    steps: list[tuple[Any, ...]], begun: int, journal: int, resume: bool, connects: bool
) -> None:
    note(f"{begun=} {journal=} {resume=} {connects=} {steps=}")
    play(BEGUN[:begun] + steps, journal, resume, connects)


def test_two_transactions_are_stopped_after_a_power_cut() -> None:
    play([*BEGUN, ("talk",), ("power_cut",)], 16384, False)


# A session, an outage in which one ends and two others begin, and what follows when it is over.
SESSION: list[tuple[Any, ...]] = [
    *BEGUN,
    ("talk",),
    ("time", 12),
    ("talk",),
    ("ready", 2, False),
    ("time", 12),
    ("ready", 2, True),
    ("talk",),
    ("lose",),
    ("time", 30),
    ("tag", 1, "T1"),
    ("unplug", 1),
    ("plug", 1),
    ("tag", 1, "T2"),
    ("time", 12),
    ("connect",),
    ("talk", "Start", "lost"),
    ("connect",),
    ("talk", "Stop", "error"),
    ("time", 61),
    ("talk",),
    ("ask", "RemoteStopTransaction", {"transactionId": "any"}),
    ("talk",),
    ("ask", "ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}),
    ("talk",),
    ("tag", 2, "T2"),
    ("talk",),
]


def cut_everywhere(torn: bool, resume: bool) -> int:
    """Play SESSION with the power cut at each write of it; returns how many there are."""
    for cut in range(1000):
        with pytest.MonkeyPatch.context() as patch:
            world = World(
                patch,
                16384,
                resume,
                True,
                MeterValueSampleInterval="5",
                StopTxnSampledData=REGISTER,
                AllowOfflineTxForUnknownId="true",
            )
            world.cut_after(cut, torn)
            for step in SESSION:
                world.run(step)
            came = world.boots > 1
            world.end()
        if not came:
            return cut
    raise AssertionError("it never ends")


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("torn", [False, True])
def test_a_power_cut_at_each_write(torn: bool, resume: bool) -> None:
    assert cut_everywhere(torn, resume) > 30


# One rule broken each: what is above must notice.


def _nothing(*_: object) -> None:
    pass


def _given_up(queue: Any, body: bytes, _code: str | None) -> None:
    queue._answered(body, queue._taken, {})  # noqa: SLF001 a rule is broken on purpose


def _written_late(queue: Any) -> None:
    # As values are: eight at a time.
    if len(queue._journal.memory) >= 8:  # noqa: SLF001 a rule is broken on purpose
        queue._journal.write()  # noqa: SLF001


def _stops_twice(stop: Any) -> Any:
    def stopped(queue: Any, local: int, *given: Any) -> None:
        found = list(queue.open)
        stop(queue, local, *given)
        queue.open[:] = found
        stop(queue, local, *given)

    return stopped


def _at_its_start(stop: Any) -> Any:
    def stopped(queue: Any, local: int, *given: Any) -> None:
        for each in queue.open:
            if each.local == local:
                given = (each.meter_start, *given[1:])
        stop(queue, local, *given)

    return stopped


def _is_closed_in_a_pause(settle: Any) -> Any:
    def settled(connector: Any, hardware: Any, limit: Any, say: Any) -> None:
        wants, connector.wants = connector.wants, connector.local is not None
        settle(connector, hardware, limit, say)
        connector.wants = wants

    return settled


SWITCHES = {
    "an answer that is lost ends a message": (
        TransactionQueue,
        "_failed",
        lambda _: _given_up,
    ),
    "starts, ids and stops are written late": (
        TransactionQueue,
        "_write",
        lambda _: _written_late,
    ),
    "a stop is made twice": (TransactionQueue, "stop", _stops_twice),
    "the register at the end is that of the start": (TransactionQueue, "stop", _at_its_start),
    "what ran at a power cut is forgotten": (Core, "_after_power_cut", lambda _: _nothing),
    "the contactor stays closed in a pause": (Connector, "settle", _is_closed_in_a_pause),
    "values come from nowhere": (
        TransactionQueue,
        "_connector_of",
        lambda _: lambda *_: 2,
    ),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_broken_rule_is_noticed(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, change = SWITCHES[switch]
    monkeypatch.setattr(owner, name, change(getattr(owner, name)))
    with pytest.raises((AssertionError, KeyError)):
        cut_everywhere(True, False)
