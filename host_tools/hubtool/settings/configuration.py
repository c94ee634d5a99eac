"""Hub settings: checked on the laptop, then written into a board's unused slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..board.files import BoardFiles, sha256
from ..console import counted
from ..errors import HubtoolError
from ..secrets import Secret
from ..steps import Plan, Step
from ..tokens.access_token import (
    ClientAccessUrl,
    TokenFacts,
    check_token,
    date_text,
    is_plain,
    read_url,
)
from .file import SettingsFile
from .model import DeviceSettings, is_azure, wifi_password_problem
from .record import (
    FOLDER,
    LARGEST_RECORD,
    SCHEMA,
    SLOTS,
    ResolvedSecrets,
    slot_files,
)
from .roots import AZURE_RSA, azure_root, read_certificates, root_names

# Prints the generation of each slot that is valid by docs/settings.md, 0 for the others. It runs
# on the board, so that no secret travels back to the laptop.
_GENERATIONS = f"""
import json
def _record(path):
    try:
        with open(path, 'rb') as f:
            data = f.read({LARGEST_RECORD + 1})
    except OSError:
        return None
    end = data.find(b'\\n')
    line = data[:end]
    if end < 0 or data[end + 1:] != hexlify(sha256(line).digest()) + b'\\n':
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None
def _generation(slot):
    a = _record('{FOLDER}/settings.' + slot)
    b = _record('{FOLDER}/secrets.' + slot)
    try:
        if a['schema'] != {SCHEMA} or b['schema'] != {SCHEMA}:
            return 0
        if a['generation'] != b['generation']:
            return 0
        if a['tls']['ca_sha256'] != _sum('{FOLDER}/ca.' + slot):
            return 0
        return int(a['generation'])
    except (KeyError, TypeError, ValueError):
        return 0
print(repr([_generation(s) for s in {SLOTS!r}]))
"""


@dataclass(frozen=True)
class Configuration:
    """Everything that goes on a board, checked.

    Attributes:
        settings: the user's file.
        secrets: what its places held; never shown.
        certificates: CA certificates, each in DER.
        token: what the token says about itself; None for an anonymous device.
    """

    settings: DeviceSettings
    secrets: ResolvedSecrets
    certificates: tuple[bytes, ...] = field(repr=False)
    token: TokenFacts | None

    @property
    def ca(self) -> bytes:
        """The CA certificates one after another, as a board takes them."""
        return b"".join(self.certificates)


def load_configuration(
    path: Path | None, url: Secret | None = None, device_id: str | None = None
) -> Configuration:
    """Read, check and complete settings; no board is needed.

    Args:
        path: the settings file; may be None with a URL.
        url: a client access URL, in place of endpoint, hub and token of the file.
        device_id: in place of `device.id`.

    Raises:
        HubtoolError: something is missing or wrong; the text names file, line and remedy.
    """
    file = None if path is None else SettingsFile(path)
    given = None if url is None else read_url(url)
    settings = _settings(file, given, device_id)
    secrets = _secrets(file, given, settings)
    return Configuration(settings, secrets, _ca(file, settings), _token(file, settings, secrets))


def _settings(
    file: SettingsFile | None, url: ClientAccessUrl | None, device_id: str | None
) -> DeviceSettings:
    document: dict[str, Any] = {} if file is None else dict(file.document)
    if url is not None:
        hub = dict(document.get("hub", {}), endpoint=url.endpoint, name=url.hub)
        hub.pop("token", None)
        # With a token the service ignores further parameters; without, they are the identity.
        hub["query"] = url.query if url.token is None else {}
        document["hub"] = hub
    name = device_id or (_user_of(url) if file is None else None)
    if name is not None:
        document["device"] = dict(document.get("device", {}), id=name)
    if file is not None:
        return file.check(DeviceSettings, document)
    if "device" not in document:
        raise HubtoolError("the URL names no user: give the board a name with --id")
    try:
        return DeviceSettings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise HubtoolError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _user_of(url: ClientAccessUrl | None) -> str | None:
    from ..tokens.access_token import read_token

    return None if url is None or url.token is None else read_token(url.token).user_id


def _fail(file: SettingsFile | None, location: tuple[str, ...], message: str) -> HubtoolError:
    if file is None:
        return HubtoolError(f"{'.'.join(location)}: {message}")
    return file.fail(location, message)


def _secrets(
    file: SettingsFile | None, url: ClientAccessUrl | None, settings: DeviceSettings
) -> ResolvedSecrets:
    folder = Path() if file is None else file.folder
    password, token = Secret(""), Secret("")
    if settings.wifi is not None and settings.wifi.password is not None:
        location = ("wifi", "password")
        try:
            password = settings.wifi.password.resolve("Wi-Fi password", folder)
        except HubtoolError as error:
            raise _fail(file, location, str(error)) from None
        problem = wifi_password_problem(password.get_secret_value())
        if problem is not None:
            raise _fail(file, location, problem)
    if url is not None and url.token is not None:
        token = url.token
    elif settings.hub.token is not None:
        try:
            token = settings.hub.token.resolve("Client Access Token", folder)
        except HubtoolError as error:
            raise _fail(file, ("hub", "token"), str(error)) from None
    return ResolvedSecrets(password, token)


def _token(
    file: SettingsFile | None, settings: DeviceSettings, secrets: ResolvedSecrets
) -> TokenFacts | None:
    if secrets.credential == "anonymous":
        return None
    try:
        return check_token(secrets.token, settings.hub.endpoint, settings.hub.name)
    except HubtoolError as error:
        raise _fail(file, ("hub", "token"), str(error)) from None


def _ca(file: SettingsFile | None, settings: DeviceSettings) -> tuple[bytes, ...]:
    folder = Path() if file is None else file.folder
    try:
        certificates: list[bytes] = []
        for name in settings.ca_names():
            roots = root_names(name)
            if roots:
                certificates.extend(map(azure_root, roots))
            else:
                certificates.extend(read_certificates(folder / Path(name).expanduser()))
    except (HubtoolError, ValueError) as error:
        location = ("hub", "endpoint") if settings.tls is None else ("tls", "ca")
        raise _fail(file, location, str(error)) from None
    return tuple(dict.fromkeys(certificates))


def notes(configuration: Configuration) -> list[str]:
    """What deserves a word to whoever configures, although nothing is wrong."""
    count = len(configuration.certificates)
    hub = configuration.settings.hub
    reached = {end for end in (hub.endpoint, *hub.endpoints_allowed) if not is_plain(end)}
    private = [end for end in reached if not is_azure(end)]
    azure = len(AZURE_RSA) if len(reached) > len(private) else 0
    if count <= max(azure + len(private), 1):
        return []
    remedy = (
        f"leave tls.ca out for the {azure} that Azure's RSA certificates end in"
        if azure
        else "name only the CA at the end of the endpoint's chain under tls.ca"
    )
    return [
        f"{count} CA certificates go onto the board, and each takes 1 to 3 KB of the memory that "
        f"TLS needs there: {remedy}"
    ]


def describe(configuration: Configuration) -> list[tuple[str, str]]:
    """What goes on the board, in words, without the secrets."""
    settings, token = configuration.settings, configuration.token
    lines = [
        ("device", f"{settings.device.id} ({settings.device.kind})"),
        ("hub", f"{settings.hub.name} at {settings.hub.endpoint}"),
    ]
    if token is None:
        query = "&".join(f"{name}={value}" for name, value in settings.hub.query.items())
        lines.append(("credential", f"anonymous{', query ' + query if query else ''}"))
    else:
        assert token.expires is not None
        user = f" for user {token.user_id}" if token.user_id else ""
        lines.append(("credential", f"token{user} (hidden), expires {date_text(token.expires)}"))
    if settings.wifi is not None:
        password = "no password" if settings.wifi.password is None else "password hidden"
        lines.append(("Wi-Fi", f"{settings.wifi.ssid} ({password})"))
    if settings.ethernet is not None:
        lines.append(("Ethernet", settings.ethernet.phy))
    if settings.hub.endpoints_allowed:
        lines.append(("may move to", ", ".join(settings.hub.endpoints_allowed)))
    names = ", ".join(
        shown for name in settings.ca_names() for shown in root_names(name) or (name,)
    )
    number = counted(len(configuration.certificates), "certificate")
    lines.append(
        ("CA", f"{names} ({number}, {len(configuration.ca):,} bytes)" if names else "none")
    )
    every = f"every {settings.telemetry.interval:g} s"
    lines.append(
        ("telemetry", f"group {settings.telemetry.group}, {every}")
        if settings.telemetry.group
        else ("telemetry", "off")
    )
    users = ", ".join(settings.commands.users) or "nobody in groups"
    lines.append(("obeys", f"the server, {users}"))
    lines.append(("clock", ", ".join(settings.clock.ntp) or "not set"))
    return lines


def plan_configure(files: BoardFiles, configuration: Configuration) -> Plan:
    """Choose the slot and list the writes; nothing is written yet.

    The slot in use is not touched. In the other one `settings` goes first and comes last: the
    new slot does not count before its last byte is there.

    Raises:
        HubtoolError: the settings are larger than the firmware reads.
    """
    generations = files.evaluate(_GENERATIONS, doing="reading the settings in use")
    in_use = max(generations)
    slot = SLOTS[1 - generations.index(in_use)] if in_use else SLOTS[0]
    current = SLOTS[generations.index(in_use)]
    if in_use and _is_equal(files, configuration, current, in_use):
        return Plan(
            "Writing settings",
            (Step(f"{FOLDER}/settings.{current}", f"generation {in_use}, equal", None),),
        )
    content = slot_files(
        configuration.settings, configuration.secrets, configuration.ca, in_use + 1
    )
    if max(len(content.settings), len(content.secrets)) > LARGEST_RECORD:
        raise HubtoolError(f"settings and token are limited to {LARGEST_RECORD:,} bytes each")
    paths = {name: f"{FOLDER}/{name}.{slot}" for name in ("settings", "secrets", "ca")}

    def remove() -> str:
        files.make_folder(FOLDER)
        files.remove(paths["settings"])
        return "slot emptied"

    return Plan(
        "Writing settings",
        (
            Step(paths["settings"], f"remove {paths['settings']}", remove),
            _write_step(files, paths["secrets"], content.secrets, "secrets"),
            _write_step(files, paths["ca"], content.ca, "CA certificates"),
            _write_step(files, paths["settings"], content.settings, f"generation {in_use + 1}"),
        ),
    )


def _is_equal(files: BoardFiles, configuration: Configuration, slot: str, generation: int) -> bool:
    content = slot_files(
        configuration.settings, configuration.secrets, configuration.ca, generation
    )
    wanted = {
        f"{FOLDER}/settings.{slot}": sha256(content.settings),
        f"{FOLDER}/secrets.{slot}": sha256(content.secrets),
        f"{FOLDER}/ca.{slot}": sha256(content.ca),
    }
    return files.hashes(wanted) == wanted


def _write_step(files: BoardFiles, path: str, data: bytes, what: str) -> Step:
    def write() -> str:
        files.write(path, data)
        return f"{what}, written and compared"

    return Step(path, f"write {path} ({what})", write)
