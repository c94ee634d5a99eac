"""An EV charging point that talks OCPP 1.6-J, for MicroPython (and CPython).

    from chargepoint import ChargePoint, Hardware

Names load their module when they are first used. It needs the package `webpubsub`.
"""


def __getattr__(name):
    if name == "ChargePoint":
        from .point import ChargePoint as value
    elif name == "Hardware":
        from .hardware import Hardware as value
    else:
        # MicroPython asks here for submodules, too, as in `from chargepoint import calls`.
        try:
            value = __import__("chargepoint." + name, None, None, (name,))
        except ImportError:
            raise AttributeError(name)
    globals()[name] = value
    return value
