"""Puts a charging point together, once."""

from webpubsub import Backoff, once
from webpubsub.compat import const
from webpubsub.stream import ticks_ms

from .authorization import Authorization
from .clock import Clock
from .configuration import Configuration
from .core import Core
from .credentials import Credentials
from .hardware import Hardware
from .measuring import Measuring
from .queue import TransactionQueue
from .session import Session
from .storage import Storage
from .uplink import Uplink

_MOST = const(8)  # connectors
_BOOTS = const(0xFFFF)  # as records keep the number
# Field of BootNotification, option, and the most characters of it (OCPP 1.6, section 6.3).
_BOOT = (
    ("chargePointVendor", "vendor", 20),
    ("chargePointModel", "model", 20),
    ("chargePointSerialNumber", "serial", 25),
    ("firmwareVersion", "firmware", 50),
)
_OPTIONS = (
    " key folder ssl hub connectors vendor model serial firmware profile highest generation"
    " resume journal clock backoff slow features "
)
_LIST = "local-list"
_SMART = "smart-charging"


def assemble(point, url, identity, hardware, options):
    """Make all that a charging point is made of, and give it that.

    point: a ChargePoint. url, identity, hardware: as for it. options: by name; see
    docs/chargepoint.md.

    Raises:
        TypeError, ValueError, OSError: as for ChargePoint.
    """
    for name in options:
        if " " + name + " " not in _OPTIONS:
            raise TypeError("unknown option: " + name)
    get = options.get
    count = get("connectors", 1)
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError("connectors must be an int")
    if not 1 <= count <= _MOST:
        raise ValueError("connectors must be 1 to %d" % _MOST)
    if not isinstance(hardware, Hardware):
        raise TypeError("hardware must be a Hardware")
    key = get("key")
    if key is not None and not isinstance(key, (bytes, str)):
        raise TypeError("key must be bytes or a str")
    features = get("features") or ()
    for feature in features:
        if feature not in (_LIST, _SMART):
            raise ValueError("features must be of %s and %s" % (_LIST, _SMART))
    once("chargepoint.addresses").url_of(url, identity, get("hub"))  # what is wrong with it
    boot = _boot_payload(options)
    folder = get("folder", "/charge")
    storage = Storage(folder)
    clock = get("clock") or Clock(ticks_ms)
    _power_up(clock, storage)
    fixed, absent = {"NumberOfConnectors": count}, ("LocalAuthListEnabled",)
    known, profiles = None, ["Core", "RemoteTrigger"]
    # Only who switches them on pays for them.
    if _LIST in features:
        from . import local_list

        known, absent = local_list.LocalList(storage), ()
        fixed.update(local_list.KEYS)
        profiles.append("LocalAuthListManagement")
    if _SMART in features:
        from . import smart_charging

        fixed.update(smart_charging.KEYS)
        profiles.append("SmartCharging")
    fixed["SupportedFeatureProfiles"] = ",".join(profiles)
    if hardware.fixed_cable:
        # Errata 3.83.
        fixed["UnlockConnectorOnEVSideDisconnect"] = False
    configuration = Configuration(storage, fixed, absent)
    measuring = Measuring(hardware, configuration, clock)
    queue = TransactionQueue(
        folder + "/transactions", configuration, clock, measuring, get("journal", 16384)
    )
    authorization = Authorization(storage, configuration, known)
    smart = None
    if _SMART in features:
        smart = smart_charging.SmartCharging(storage, configuration, clock, hardware)
    core = Core(
        hardware,
        count,
        storage,
        queue,
        clock,
        configuration,
        authorization,
        smart and smart.limit,
        get("resume", False),
        measuring,
    )
    if smart:
        smart.attach(core)
    profile = get("profile")
    if profile is None:
        secure = url[:4].lower() in ("wss:", "http") and url[:5].lower() != "http:"
        profile = 0 if key is None else 1 + secure
    credentials = Credentials(storage, clock, key, profile, get("highest"), get("generation", 0))
    configuration.writers["authorizationkey"] = credentials.write_key
    configuration.writers["securityprofile"] = credentials.write_profile
    session = Session(core, queue, clock, configuration, boot, Backoff(first=10, maximum=600))
    point.core, point.session, point.clock = core, session, clock
    point.configuration, point.queue, point.storage = configuration, queue, storage
    point.listeners = core.listeners
    point.uplink = Uplink(
        session,
        core,
        configuration,
        credentials,
        url,
        identity,
        get("hub"),
        get("ssl"),
        get("backoff"),
        get("slow"),
    )


def _boot_payload(options):
    payload = {}
    for field, name, most in _BOOT:
        value = options.get(name, "MicroPython" if len(payload) < 2 else None)
        if value is None:
            continue
        if not isinstance(value, str):
            raise TypeError(name + " must be a str")
        if not 0 < len(value) <= most:
            raise ValueError("%s must have 1 to %d characters" % (name, most))
        payload[field] = value
    return payload


def _power_up(clock, storage):
    # Times of before the clock was known are told apart by the number of the power-up.
    found = storage.load("boot")
    boot, known = found if isinstance(found, list) else (found or 0, [])
    clock.boot = boot % _BOOTS + 1
    clock.known = known if boot < _BOOTS else []
    clock.keep = lambda: storage.save("boot", [clock.boot, clock.known])
    clock.keep()
