"""`hubtool charger`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from ..errors import HubtoolError

# What a charging point has beside Core and RemoteTrigger, on request.
_FEATURES = ["local-list", "smart-charging"]

# Differences that are shown, of each power-up.
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the central system is, and who this is."""
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="of the central system, such as wss://HOST/ocpp"
    )
    parser.add_argument("--id", metavar="ID", help="identity of the charging point")
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="where it keeps what outlives a power cut; the next start there is a power-up",
    )
    parser.add_argument(
        "--key-env", metavar="NAME", help="environment variable with its AuthorizationKey"
    )
    parser.add_argument(
        "--connectors", type=_connectors, default=1, metavar="N", help="1 to 8 (default: 1)"
    )
    parser.add_argument(
        "--hub", metavar="NAME", help="URL is an endpoint of Azure Web PubSub with this hub"
    )
    parser.add_argument(
        "--ca",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CA certificates for wss://, PEM or DER (default: those that browsers trust)",
    )
    parser.add_argument(
        "--vendor", metavar="TEXT", help="chargePointVendor, at most 20 characters"
    )
    parser.add_argument("--model", metavar="TEXT", help="chargePointModel, at most 20 characters")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="transactions go on after a power cut, where they are stopped with PowerLoss else",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="append all that comes in from both sides and goes out, but no key",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="play a record back in virtual time, and tell what comes out otherwise",
    )
    parser.epilog = (
        "Its hardware is the console: plug, unplug, ready, pause, power, swipe, fault, clear; "
        "docs/chargepoint.md has them. SIGKILL is a power cut."
    )


def _connectors(text: str) -> int:
    """A number of connectors, for argparse."""
    if not text.isdecimal() or not 1 <= int(text[:3]) <= 8:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of connectors from 1 to 8")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Become the charging point, or play a record back.

    Raises:
        HubtoolError: it cannot be.
    """
    if sys.platform == "win32":
        raise HubtoolError("a charging point on the desk needs Linux or macOS: use WSL")
    return _become(arguments) if arguments.replay is None else _replay(arguments)


def _become(arguments: argparse.Namespace) -> NoReturn:
    """Become the charging point."""
    from ..charger.process import Charger

    for name, value in (("URL", arguments.url), ("--id", arguments.id)):
        if value is None:
            raise HubtoolError(f"{name} is missing: hubtool charger URL --id ID --directory DIR")
    if arguments.directory is None:
        raise HubtoolError("--directory is missing: where it keeps what outlives a power cut")
    options: dict[str, Any] = {"features": _FEATURES}
    if arguments.resume:
        options["resume"] = True
    for name in ("vendor", "model"):
        text = getattr(arguments, name)
        if text is not None:
            if not 0 < len(text) <= 20:
                raise HubtoolError(f"--{name}: 1 to 20 characters")
            options[name] = text
    Charger(
        url=arguments.url,
        identity=arguments.id,
        directory=arguments.directory,
        connectors=arguments.connectors,
        hub=arguments.hub,
        key_env=arguments.key_env,
        ca=tuple(arguments.ca),
        record=arguments.record,
        options=options,
    ).become()


def _replay(arguments: argparse.Namespace) -> int:
    """Play a record back; 1 when something came out otherwise."""
    from ..charger.comparison import differences
    from ..charger.process import replay

    if arguments.url is not None or arguments.record is not None:
        raise HubtoolError("--replay FILE stands alone: a record needs no URL")
    recorded, played = replay(arguments.replay)
    count = 0
    for number, (there, here) in enumerate(zip(recorded, played, strict=True), 1):
        found = differences(there, here)
        count += len(found)
        for line in found[:_SHOWN]:
            print(f"power-up {number}, {line}")
        if len(found) > _SHOWN:
            print(f"power-up {number}: {len(found) - _SHOWN} more")
    events = sum(len(life.events) for life in recorded)
    seconds = sum(life.end for life in recorded) / 1000
    ups = f"{len(recorded)} power-up{'' if len(recorded) == 1 else 's'}"
    print(
        f"{ups}, {events} events, {seconds:.0f} s played back: "
        + (f"differences: {count}" if count else "the same comes out")
    )
    return 1 if count else 0
