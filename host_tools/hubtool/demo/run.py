"""The course of the demo."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localhub import ConfigError, LocalHub
from micropython_webpubsub.assets import examples_folder
from simboard import SimulatorError
from simboard.timeserver import TimeServer

from ..errors import HubtoolError
from ..secrets import Secret
from ..servers.handler import running
from ..servers.handler_table import HandlerTable
from ..tokens.access_token import date_text
from ..tokens.maker import ClientAccess, make_token, parse_connection_string
from .boards import PASSWORD_FILE, Profile, power_up, provision, settings_text, write_private
from .negotiating import METER, meter
from .operator import COMMANDS, GROUPS, ROLES, USER_ID, Operator, operating
from .screen import Screen, on_one_line

if TYPE_CHECKING:
    from simboard import SimulatedBoard

HUB = "chargers"
CHARGER, SENSOR = "CP-7", "sensor-1"
_DEVICE_ROLES = ("webpubsub.sendToGroup.telemetry", "webpubsub.sendToGroup.replies")
_TOKEN_LIFETIME = timedelta(days=90)
# A busy machine gets longer than it was asked for before the demo says that it failed.
GRACE = 40.0
_CONSOLE_TAIL = 12
_PAUSE = 4.0
# What the operator asks of each board, one after another.
_COMMANDS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    CHARGER: (("report", {}), ("start", {"limit": 20}), ("report", {}), ("stop", {})),
    SENSOR: (("report", {}), ("identify", {}), ("ping", {}), ("report", {})),
    METER: (("report", {}), ("ping", {})),
}

# An id like a charging point's grants what a charging point needs; a token keeps its own grants.
# `hubtool handler` reads the same as TOML.
_TABLE = HandlerTable.model_validate(
    {
        "devices": [
            {
                "match": {"query.id": "CP-*"},
                "user_id": "{query.id}",
                "roles": _DEVICE_ROLES,
                "groups": [COMMANDS],
            },
            {"match": {"claim.sub": "*"}},
        ]
    }
)


@dataclass
class Observed:
    """What one board has done so far.

    Attributes:
        answers: to commands, without those that failed.
        round_trips: seconds from a command to its answer.
        problem: the last one; empty when there was none.
        profile: what the demo wants of it.
        board: the simulated board.
    """

    profile: Profile
    board: SimulatedBoard
    answers: int = 0
    round_trips: list[float] = field(default_factory=list)
    problem: str = ""

    def works_both_ways(self, telemetry: int) -> bool:
        """Whether messages flowed both ways."""
        return telemetry > 0 and self.answers > 0


async def run_demo(seconds: float, *, negotiate: bool = False) -> bool:
    """Run the demo.

    Args:
        seconds: how long it lasts.
        negotiate: with a third board, which asks a negotiate server.

    Returns:
        Whether telemetry and a command's answer came from all boards.

    Raises:
        HubtoolError: something could not even be started.
    """
    screen = Screen()
    try:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hubtool-demo-")))
            hub = await _start_service(stack, screen)
            clock = stack.enter_context(TimeServer()).address
            seen = await _start_boards(stack, screen, hub, clock, folder, negotiate)
            url = _operator_url(hub)
            operator = await stack.enter_async_context(operating(url, screen.telemetry))
            await _play(screen, operator, seen, seconds)
            return _conclude(screen, operator, seen)
    except (ConfigError, SimulatorError) as error:
        raise HubtoolError(str(error)) from None


async def _start_service(stack: AsyncExitStack, screen: Screen) -> LocalHub:
    screen.heading("1. A local Web PubSub service, in place of Azure's")
    let_in: list[str] = []
    handler = await stack.enter_async_context(running(_TABLE, port=0, report=let_in.append))
    hub = await stack.enter_async_context(
        LocalHub(
            {
                "service": {"tls": {"port": 0}},
                "hubs": [
                    {
                        "name": HUB,
                        "anonymous_connect_policy": "allow",
                        "event_handlers": [
                            {
                                "url_template": f"{handler}/eventhandler/{{event}}",
                                "system_events": ["connect", "connected", "disconnected"],
                            }
                        ],
                    }
                ],
            }
        )
    )
    screen.detail("service", f"{hub.endpoint} and {hub.tls_endpoint} (with a CA of its own)")
    screen.detail("handler", f"{handler} decides which anonymous devices may come in")
    return hub


def _operator_url(hub: LocalHub) -> Secret:
    return make_token(
        Secret(hub.connection_string),
        HUB,
        timedelta(hours=1),
        user_id=USER_ID,
        roles=ROLES,
        groups=GROUPS,
    ).url


def _sensor_token(hub: LocalHub) -> ClientAccess:
    """A token for the endpoint that the sensor uses: the one with TLS."""
    return make_token(
        _connection_string(hub),
        HUB,
        _TOKEN_LIFETIME,
        user_id=SENSOR,
        roles=_DEVICE_ROLES,
        groups=(COMMANDS,),
    )


def _connection_string(hub: LocalHub) -> Secret:
    """For the endpoint with TLS."""
    key = parse_connection_string(Secret(hub.connection_string))["accesskey"]
    return Secret(f"Endpoint={hub.tls_endpoint};AccessKey={key};Version=1.0;")


async def _start_boards(
    stack: AsyncExitStack,
    screen: Screen,
    hub: LocalHub,
    clock: str,
    folder: Path,
    negotiate: bool,
) -> list[Observed]:
    number = "Three" if negotiate else "Two"
    screen.heading(f"2. {number} boards, provisioned over their serial ports")
    token = _sensor_token(hub)
    wifi_password = secrets.token_hex(8)
    write_private(folder / PASSWORD_FILE, wifi_password)
    write_private(folder / "token", token.token.get_secret_value())
    profiles = _profiles(hub, clock, token)
    if negotiate:
        third, url = await meter(
            stack,
            folder,
            _connection_string(hub),
            endpoint=_wss(hub),
            hub=HUB,
            ca=hub.ca_pem_path,
            ntp=clock,
            roles=_DEVICE_ROLES,
            groups=(COMMANDS,),
        )
        profiles = (*profiles, third)
        screen.detail("negotiate", f"{url} (with a CA of its own) knows the key of {METER}")
    seen = []
    for profile in profiles:
        board = await asyncio.to_thread(power_up, profile, wifi_password)
        stack.callback(board.close)
        seen.append(Observed(profile, board))
    # Side by side, as on a bench with a cable for each.
    await asyncio.gather(*(_provision(screen, one, folder) for one in seen))
    return seen


def _wss(hub: LocalHub) -> str:
    assert hub.tls_endpoint is not None
    return hub.tls_endpoint.replace("http", "ws", 1)


def _profiles(hub: LocalHub, clock: str, token: ClientAccess) -> tuple[Profile, ...]:
    return (
        Profile(
            CHARGER,
            "anonymous, ws",
            "anonymous over ws: shows its id, the handler grants user id, roles and group",
            settings_text(
                device=CHARGER,
                kind="charging-point",
                endpoint=hub.endpoint.replace("http", "ws", 1),
                credential=f'query = {{ id = "{CHARGER}" }}',
                interval=5,
                hub=HUB,
                ntp=clock,
            ),
            examples_folder() / "charging_point.py",
        ),
        Profile(
            SENSOR,
            "token, wss",
            f"Client Access Token until {date_text(token.expires)}, over wss: the certificate "
            "is verified",
            settings_text(
                device=SENSOR,
                kind="sensor",
                endpoint=_wss(hub),
                credential='token = { file = "token" }',
                interval=2,
                ca=hub.ca_pem_path,
                hub=HUB,
                ntp=clock,
            ),
            None,
        ),
    )


async def _provision(screen: Screen, seen: Observed, folder: Path) -> None:
    done = await asyncio.to_thread(provision, seen.board, seen.profile, folder)
    screen.detail(
        seen.profile.device,
        f"{seen.board.port}: MicroPython {done.version}, {done.files} files written and compared "
        f"in {done.seconds:.1f} s",
    )


async def _play(
    screen: Screen, operator: Operator, seen: Sequence[Observed], seconds: float
) -> None:
    screen.heading("3. They come up: Wi-Fi, clock, hub")
    for one in seen:
        screen.detail(one.profile.device, one.profile.summary)
    screen.heading("4. Messages from the boards (->) and commands of the operator (<-)")
    talks = [asyncio.create_task(_give_commands(screen, operator, one)) for one in seen]
    try:
        while screen.seconds < seconds or not all_work_both_ways(operator, seen):
            if screen.seconds > seconds + GRACE or any(one.board.failure for one in seen):
                return
            operator.check()
            await asyncio.sleep(0.1)
    finally:
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def all_work_both_ways(operator: Operator, seen: Sequence[Observed]) -> bool:
    """Whether each board has been heard, and has answered the commands that it got."""
    return all(one.works_both_ways(operator.telemetry.get(one.profile.device, 0)) for one in seen)


async def _give_commands(screen: Screen, operator: Operator, seen: Observed) -> None:
    """Give a board its commands, once it is heard."""
    device = seen.profile.device
    while not operator.telemetry.get(device):
        await asyncio.sleep(0.05)
    for name, arguments in _COMMANDS[device]:
        shown = ", ".join(f"{key} {value}" for key, value in arguments.items())
        screen.command(device, f"{name} {shown}".strip())
        try:
            answer, took = await operator.command(device, name, arguments)
        except (OSError, TimeoutError) as error:
            seen.problem = f"no answer to '{name}' {error}".strip()
            continue
        if answer.get("ok"):
            seen.answers += 1
            seen.round_trips.append(took)
            screen.answer(device, f"ok: {on_one_line(answer.get('result'))}", took)
        else:
            seen.problem = f"'{name}' was answered with {answer.get('error')}"
            screen.answer(device, f"failed: {on_one_line(answer.get('error'))}", took)
        await asyncio.sleep(_PAUSE)


def _conclude(screen: Screen, operator: Operator, seen: Sequence[Observed]) -> bool:
    rows = []
    for one in seen:
        telemetry = operator.telemetry.get(one.profile.device, 0)
        trips = sorted(one.round_trips)
        rows.append(
            [
                one.profile.device,
                one.profile.credential,
                str(telemetry),
                str(one.answers),
                f"{trips[len(trips) // 2] * 1000:.0f} ms" if trips else "-",
                "yes" if one.works_both_ways(telemetry) else "no",
            ]
        )
    screen.summary(["Board", "Way in", "Reports", "Answers", "Median", "Both ways"], rows)
    if all_work_both_ways(operator, seen):
        which = "both" if len(seen) == len((CHARGER, SENSOR)) else "all"
        screen.closing(f"Messages flowed both ways on {which} boards.")
        return True
    for one in seen:
        if not one.works_both_ways(operator.telemetry.get(one.profile.device, 0)):
            _explain(screen, operator, one)
    return False


def _explain(screen: Screen, operator: Operator, seen: Observed) -> None:
    device = seen.profile.device
    reason = str(seen.board.failure or seen.problem)
    if not reason:
        reason = "no answer to a command" if operator.telemetry.get(device) else "no telemetry"
    screen.trouble(f"{device}: {reason}. The end of its console:")
    # From the last start on: before it, the console holds the raw REPL's bytes.
    said = seen.board.console.rpartition("rst:0x")[2].splitlines()
    for line in [line for line in said[1:] if line.strip()][-_CONSOLE_TAIL:]:
        screen.trouble(f"  | {on_one_line(line)}")
