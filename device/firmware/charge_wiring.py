"""Puts a charging point together: the program's hardware, and the settings of the table `ocpp`.

What `/app.py` has for it:

    def hardware(): ...                  # required: gives a chargepoint.Hardware; a class will do
    async def charge(point, settings)    # optional; runs as a task: point.plugged(1) and so on

Loaded by charging points only, with `once`: nothing here may wait, stay or be kept.
"""

import binascii

from webpubsub import clock
from webpubsub.memory import once

from . import SettingsError, console
from .runtime import print_exception

_FOLDER = "/charge"
_REMEDY = "run hubtool deploy --app FILE"


def wire(node, settings):
    """The Node of a charging point, with an SSL context or None; the given one without hardware.

    On a hub a board without hardware is still a device; elsewhere it has nothing to do.

    Args:
        node: Node that was made for this start.
        settings: Settings with `ocpp`.

    Raises:
        SettingsError: they cannot work.
    """
    context = _tls_context(settings)
    try:
        app = _load(settings.hub is None)
    except Exception as error:
        if settings.hub is None:
            raise
        if isinstance(error, SettingsError):
            console.say("ocpp", str(error))
        else:
            print_exception(error)
        return node, None
    if settings.uses_tls and not settings.ntp and not clock.is_set():
        raise SettingsError(
            "the clock is not set, so certificates cannot be checked, and there is no time "
            "server: add clock.ntp and run hubtool configure"
        )
    from .charging import ChargingNode

    trial, node = node.trial, ChargingNode(app, context)
    if settings.hub is not None:
        node.trial = trial
        node.has_app = hasattr(app, "main")
    elif trial is not None:
        # Of the time when it was on a hub: there is nobody to tell.
        once("firmware.verdict").end(trial)
    return node, context


def _load(is_alone):
    application = once("firmware.application")
    if not application.is_there():
        raise SettingsError("a charging point needs the program of its hardware: " + _REMEDY)
    app = application.load()
    if not callable(getattr(app, "hardware", None)):
        raise SettingsError(
            "app.py has no hardware: add 'def hardware()' that gives a chargepoint.Hardware, and "
            + _REMEDY
        )
    if is_alone:
        console.say("app", "started")
    return app


def _tls_context(settings):
    if not settings.ca_size and not settings.uses_tls:
        return None
    tls_context = once("webpubsub.tls").tls_context
    secrets = _secrets(settings)
    pair = ()
    if "ocpp_certificate" in secrets:
        pair = [
            binascii.a2b_base64(secrets[name])
            for name in ("ocpp_certificate", "ocpp_certificate_key")
        ]
    try:
        with open(settings.ca_path, "rb") as file:
            return tls_context(file.read(), *pair)
    except (OSError, ValueError) as error:
        raise SettingsError("tls.ca: %s: run hubtool configure" % error)


def _secrets(settings):
    # Read when they are needed: what an object keeps may be printed.
    found = once("firmware.records").read_record(settings.folder, "secrets." + settings.slot)
    if found is None:
        raise SettingsError("the settings in use are gone")
    return found


def point(node):
    """The ChargePoint of a charging point, on the hardware of its program.

    Args:
        node: ChargingNode.

    Raises:
        TypeError: what the program gives is no hardware.
        Exception: whatever the program raises.
    """
    from chargepoint import ChargePoint
    from chargepoint.hardware import Hardware
    from webpubsub import __version__

    settings = node.settings
    table = settings.ocpp
    box = node.app.hardware()
    if not isinstance(box, Hardware):
        raise TypeError("hardware() of app.py gave no chargepoint.Hardware")
    secrets = _secrets(settings)
    key = secrets.get("ocpp_key")
    profile = table["security_profile"]
    highest = profile
    if node.context is not None:
        # Over OCPP it may only go up, and to what there are certificates for.
        highest = max(profile, 3 if "ocpp_certificate" in secrets else 2)
    options = {
        "connectors": table["connectors"],
        "key": once("firmware.charge_settings").key_of(key) if key else None,
        "folder": _FOLDER,
        "ssl": node.context,
        "profile": profile,
        "highest": highest,
        "generation": table["generation"],
        "vendor": table["vendor"],
        "model": table["model"],
        "firmware": __version__,
    }
    for name, option in (
        ("hub", "hub"),
        ("serial_number", "serial"),
        ("features", "features"),
        ("resumes", "resume"),
    ):
        if table.get(name):
            options[option] = table[name]
    found = ChargePoint(table.get("url") or table["endpoint"], table["identity"], box, **options)
    uplink = found.uplink
    uplink.ready, uplink.outcome = node.ready, node.outcome
    return found


def explain(error, table):
    """One line for what an attempt or a connection ended by, which names the side to fix.

    Args:
        error: an exception, or None.
        table: `ocpp` of the settings.
    """
    status = getattr(error, "status", None)
    if status == 401:
        return (
            "HTTP 401: the central system does not accept this identity or its key: check "
            "ocpp.identity and ocpp.key there and here, and run hubtool configure"
        )
    if status == 403:
        return "HTTP 403: the central system turns this charging point away: let it in there"
    if status == 404:
        return (
            "HTTP 404: the central system does not know %s, or this is not its address: check "
            "it there, and ocpp.%s here"
        ) % (table["identity"], "hub" if "hub" in table else "url")
    text = str(error) if error else "the connection was closed"
    refusal = once("firmware.refusal")
    if refusal.is_about_certificates(text):
        return refusal.unverified(text).replace("tls.ca and the endpoint", "the CA and the URL")
    return text or type(error).__name__
