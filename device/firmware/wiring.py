"""Puts a device together when a board starts: settings -> link -> client -> tasks (see `node`).

Loaded with `once`: nothing here may wait, stay or be kept.
"""

import os

import webpubsub
from webpubsub import clock
from webpubsub.memory import once

from . import SettingsError, console, shortage

# Seconds without progress that the watchdog's supervisor allows.
LINK_LIMIT = 120
HUB_LIMIT = 600


def wire(node, folder, link=None):
    """Give a Node its parts, and start the watchdog.

    Args:
        folder: where the settings are.
        link: NetworkLink or Wired; made after the settings when it is None.

    Returns:
        That Node; another one on a charging point.

    Raises:
        SettingsError: there are no settings, or they cannot work.
    """
    try:
        # The day of the deploy: no clock that is right shows less, and no honest time server.
        clock.floor = max(clock.floor, once("firmware.build").DATE)
    except ImportError:
        pass  # another way onto the board
    settings = once("firmware.records").load(folder)
    try:
        os.stat(folder + "/trial")
        node.trial = once("firmware.resuming").take(settings)
    except OSError:
        pass
    if node.trial:
        settings = node.trial.settings
    if settings.log_level in console.LEVELS:  # a level of the future is not worth a stop
        console.level = console.LEVELS.index(settings.log_level)
    what = settings.device_id, settings.generation, _build()
    console.say("board", "%s, settings generation %d%s" % what)
    if settings.notice:
        console.say("settings", settings.notice)
    recall(folder)
    shortage.uses_tls = settings.uses_tls
    node.has_app = once("firmware.application").is_there()
    arguments = ()
    if getattr(settings, "ocpp", None):
        node, *arguments = once("firmware.charge_wiring").wire(node, settings)
    node.settings = settings
    node.link = link or make_link(settings, node.watchdog)
    if settings.hub is not None:
        _connect(node, make_client(settings, node.link, *arguments))
    once("firmware.arming").start(node.watchdog)
    return node


def _connect(node, client):
    """Give a Node what a device on a hub has."""
    from .commands import Commands
    from .hub import HubConnection

    settings = node.settings
    progress = node.watchdog.progress
    node.commands = Commands(settings, client, node.report, node.change_settings)
    node.hub = hub = HubConnection(client, settings, node.link, node.accept, progress)
    subscribe(hub)
    if settings.uses_tls and not settings.ntp and not clock.is_set():
        raise SettingsError(
            "the clock is not set, so certificates cannot be checked, and there is no time "
            "server: add clock.ntp and run hubtool configure"
        )
    node.watchdog.limits["hub"] = HUB_LIMIT


def _build():
    # The stamp that `hubtool deploy` wrote: whoever reads a traceback of this board needs it.
    try:
        with open(webpubsub.__file__.rsplit("/", 2)[0] + "/firmware/build.txt") as file:
            return ", build " + file.read()
    except OSError:
        return ""


def recall(folder):
    """Find out whether the board was reset for want of memory, and how often in a row.

    folder: where the settings are, str."""
    path = folder + shortage.FILE
    try:
        with open(path) as file:
            text = file.read()
        shortage.resets = int(text)
        shortage.was_cause = text[0] == "+"
        if shortage.was_cause:
            # The next start may have another cause.
            with open(path, "w") as file:
                file.write(text[1:])
    except (OSError, ValueError):
        pass


def make_link(settings, watchdog):
    """The NetworkLink of a board, or a Wired.

    settings: Settings. watchdog: Watchdog."""
    # Each is loaded only where it is used: a board with a cable has no Wi-Fi module.
    if settings.ethernet is None and settings.ssid is None:
        from .wired import Wired

        return Wired()
    watchdog.limits["link"] = LINK_LIMIT
    if settings.ethernet is not None:
        from .ethernet import Ethernet

        return Ethernet(settings.ethernet, progress=watchdog.progress)
    from .station import Station

    return Station(settings.ssid, settings.wifi_password, progress=watchdog.progress)


def make_client(settings, link, context=None):
    """A WebPubSubClient for these settings.

    Raises:
        SettingsError: they cannot work: no CA for TLS, a token that anybody could read.

    settings: Settings. link: NetworkLink or Wired. context: for TLS; made when it is None.
    """
    context = context or _tls_context(settings)
    try:
        if settings.credential == "token":
            credential = webpubsub.AccessToken(settings.endpoint, settings.hub, settings.token)
        elif settings.credential == "negotiate":
            # With one context for both servers: each certificate takes memory in each of them.
            credential = once("firmware.negotiating").credential(settings, context)
        else:
            credential = webpubsub.Anonymous(settings.endpoint, settings.hub, settings.query)
    except ValueError as error:
        raise SettingsError("hub: %s: run hubtool configure" % error)
    return webpubsub.WebPubSubClient(
        credential,
        protocol=settings.protocol,
        ssl=context,
        ready=link.wait_up,
    )


def _tls_context(settings):
    if not settings.uses_tls:
        return None
    # Loaded only by those who use it.
    tls_context = once("webpubsub.tls").tls_context

    try:
        with open(settings.ca_path, "rb") as file:
            return tls_context(file.read())
    except (OSError, ValueError) as error:
        raise SettingsError("tls.ca: %s: run hubtool configure" % error)


def subscribe(hub):
    """Have the client call its HubConnection.

    hub: HubConnection."""
    subscribe, on_event, on_message = hub.client.subscribe, hub.on_event, hub.on_message
    for name in (
        "connected",
        "recovering",
        "recovered",
        "disconnected",
        "reconnecting",
        "rejoin-group-failed",
        "message-dropped",
    ):
        subscribe(name, on_event)
    for name in ("group-message", "server-message"):
        subscribe(name, on_message)
    if hub.settings.credential == "token":
        # Looked at only for those who ask; that costs a module.
        subscribe("token-expires", on_event)
