"""The boards of the demo: what they are, and how they are provisioned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..board.choice import find_board
from ..board.deployment import check_firmware, fit_to_board, plan_deploy, prepare
from ..board.files import BoardFiles
from ..board.serial_link import SerialLink
from ..settings.configuration import load_configuration
from ..settings.plan import plan_configure
from ..steps import Quiet, StepResult, run_plan

if TYPE_CHECKING:
    from simboard import SimulatedBoard

SSID, PASSWORD_FILE = "depot", "wifi-password"


@dataclass(frozen=True)
class Profile:
    """What one board of the demo is.

    Attributes:
        device: its id.
        credential: credential and scheme, such as "token, wss".
        summary: the same in a sentence.
        settings: its settings file, as text.
        app: the program that it runs beside the stock one; None for none.
    """

    device: str
    credential: str
    summary: str
    settings: str
    app: Path | None


@dataclass(frozen=True)
class Provisioned:
    """What provisioning did: files written, seconds, version of the firmware.

    Attributes:
        files: how many were written.
        seconds: how long it took.
        version: of the firmware.
    """

    files: int
    seconds: float
    version: str


def settings_text(
    *,
    device: str,
    kind: str,
    endpoint: str,
    hub: str,
    credential: str,
    interval: float,
    ntp: str,
    ca: Path | None = None,
) -> str:
    """A settings file as a user would write it; secrets lie in files beside it.

    Args:
        credential: the line of `[hub]` that says who the board is.
    """
    tls = "" if ca is None else f"[tls]\nca = ['{ca}']\n\n"
    return (
        f'[device]\nid = "{device}"\nkind = "{kind}"\n\n'
        f'[hub]\nendpoint = "{endpoint}"\nname = "{hub}"\n{credential}\n\n'
        f'[wifi]\nssid = "{SSID}"\npassword = {{ file = "{PASSWORD_FILE}" }}\n\n'
        f"{tls}"
        f'[telemetry]\ngroup = "telemetry"\ninterval = {interval}\n\n'
        '[commands]\nusers = ["operator"]\nreply_group = "replies"\n\n'
        f'[clock]\nntp = ["{ntp}"]\n'
    )


def write_private(path: Path, text: str) -> None:
    """Write a secret beside a settings file.

    Args:
        path: of the file, which nobody else may read.
        text: the secret.
    """
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def power_up(profile: Profile, wifi_password: str) -> SimulatedBoard:
    """Start a simulated board that finds the Wi-Fi of its settings file."""
    # Where there are no pseudo-terminals, asking for the name raises SimulatorError.
    from simboard import SimulatedBoard

    board = SimulatedBoard(name=profile.device)
    board.radio.add(SSID, wifi_password)
    return board


def provision(board: SimulatedBoard, profile: Profile, folder: Path) -> Provisioned:
    """Deploy, configure and reset a board over its serial port, as the two commands do.

    Raises:
        HubtoolError: the board refuses.
    """
    started = time.monotonic()
    path = folder / f"{profile.device}.toml"
    path.write_text(profile.settings, encoding="utf-8")
    configuration = load_configuration(path)
    payloads = prepare(profile.app)
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        identity = files.identity()
        chosen = find_board(identity)
        check_firmware(identity, chosen, payloads)
        payloads = fit_to_board(files, payloads, chosen)
        results: list[StepResult] = run_plan(plan_deploy(files, payloads), Quiet())
        results += run_plan(plan_configure(files, configuration), Quiet())
        link.reset()
    return Provisioned(
        sum(result.status == "done" for result in results),
        time.monotonic() - started,
        identity.release,
    )
