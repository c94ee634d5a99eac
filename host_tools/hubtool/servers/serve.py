"""The local service, and the event handler beside it when the configuration has one."""

from __future__ import annotations

import shlex
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localhub import Config, ConfigError, LocalHub
from localhub import serve as serve_hub
from localhub.auth.keys import write_private

from ..console import say, warn
from ..errors import HubtoolError
from .handler import running
from .handler_table import HandlerTable, load_handler_table
from .trust import trust_lines

DEFAULT_TLS_PORT = 7443


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says; None leaves the configuration as it is.

    Attributes:
        config: the configuration file.
        host, port: where the service listens, without TLS.
        tls: also listen with TLS, by a certificate of the local CA.
        page: whether the service has its page.
    """

    config: Path | None = None
    host: str | None = None
    port: int | None = None
    tls: bool = False
    page: bool | None = None


def load_options(options: ServeOptions) -> tuple[Config, HandlerTable | None]:
    """The configuration of the service with the command line's changes, and the handler's table.

    Raises:
        HubtoolError: something in the file is wrong.
    """
    try:
        config = Config.load(options.config)
    except ConfigError as error:
        raise HubtoolError(str(error)) from None
    table = None if options.config is None else load_handler_table(options.config)
    changes: dict[str, Any] = {}
    if options.host is not None:
        changes["host"] = options.host
    if options.port is not None:
        changes["port"] = options.port
    if options.page is not None:
        changes["page"] = options.page
    if options.tls and config.service.tls is None:
        from localhub.config import Tls

        # With --port 0 nothing is to collide with another instance.
        changes["tls"] = Tls(port=0 if options.port == 0 else DEFAULT_TLS_PORT)
    service = config.service.model_copy(update=changes)
    return config.model_copy(update={"service": service}), table


async def serve(options: ServeOptions) -> None:
    """Run the service until cancelled; print where it listens once it accepts connections.

    Raises:
        HubtoolError: the configuration is wrong, or a port is taken.
    """
    config, table = load_options(options)
    async with AsyncExitStack() as stack:
        handler_url = None
        if table is not None:
            folder = Path() if options.config is None else options.config.parent
            handler_url = await stack.enter_async_context(running(table, folder=folder))
            if not any(hub.event_handlers for hub in config.hubs):
                warn(
                    "no hub sends its events to the handler: add [[hubs.event_handlers]] with "
                    f'url_template = "{handler_url}/eventhandler/{{event}}"'
                )
        try:
            await serve_hub(config, ready=lambda hub: _announce(hub, handler_url))
        except ConfigError as error:
            raise HubtoolError(str(error)) from None


def _announce(hub: LocalHub, handler_url: str | None) -> None:
    say(f"Listening on {hub.endpoint}")
    if hub.tls_endpoint is not None:
        say(f"Listening on {hub.tls_endpoint}")
    if handler_url is not None:
        say(f"Event handler: {handler_url}")
    for name in hub.entra_principals:
        say(f"Microsoft Entra ID: {name}: {_write_environment(hub, name)}")
    if hub.config.service.disable_local_auth:
        say("Access keys are switched off: application servers come in by Microsoft Entra ID")
    else:
        say(f"Connection string: {hub.connection_string}")
    if hub.config.service.faults:
        say(f"Faults on command: {hub.faults_url}")
    if hub.tls_endpoint is not None and hub.ca_pem_path is not None:
        say("\n".join(trust_lines(hub.ca_pem_path, hub.tls_endpoint)))
    if hub.page_url is not None:
        say(f"Page: {hub.page_url}")


def _write_environment(hub: LocalHub, name: str) -> Path:
    """The variables that make azure-identity be a principal, for `. FILE` and dotenv readers."""
    state_file = hub.config.state_file
    assert state_file is not None  # serve_hub sets one
    path = state_file.parent / f"entra-{name.replace(' ', '-')}.env"
    variables = hub.entra_environment(name)
    lines = [f"export {key}={shlex.quote(value)}\n" for key, value in variables.items()]
    write_private(path, "".join(lines).encode())
    return path


def run_serve(options: ServeOptions) -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    from .running import run_until_interrupted

    run_until_interrupted(serve(options))
