"""The control pilot of IEC 61851-1 as tables: what its volts and its duty cycle mean.

Plain functions for whoever measures and makes the signal; its timing stays with the hardware.
"""

# State and the volts in the middle of its range; each ends 1 V from there (annex A). Between
# the ranges a state stays what it was.
_STATES = (("A", 12), ("B", 9), ("C", 6), ("D", 3), ("E", 0), ("F", -12))


def state(volts):
    """The state of the pilot, "A" to "F"; None between two of them, where the last one holds.

    A: no vehicle. B: a vehicle that wants no energy. C: one that is ready for it. D: ready, and
    the room must be ventilated. E: no signal, or a short circuit. F: not available.

    volts: of the positive half of the signal, or of the steady signal; a number.
    """
    for letter, middle in _STATES:
        if -1 <= volts - middle <= 1:
            return letter
    return None


def duty_cycle(amperes):
    """The duty cycle in percent that offers a current: 10 to 96, or 100 for no offer (table A.7).

    amperes: per phase, a number; below 6 is nothing, and above 80 is 80.
    """
    if amperes < 6:
        return 100
    if amperes <= 51:
        return amperes / 0.6
    # From 51 to 52.5 A there is no duty cycle of its own: less is offered.
    return max(85, min(amperes, 80) / 2.5 + 64)


def amperes(percent):
    """What a vehicle may draw at a duty cycle, in A per phase: 0, or 6 to 80 (table A.8).

    None from 3 to 7 %: what it may draw is told by digital communication, for which 5 % is meant.

    percent: a number from 0 to 100.
    """
    if 3 <= percent <= 7:
        return None
    if percent < 8 or percent > 97:
        return 0
    if percent < 10:
        return 6
    if percent <= 85:
        return percent * 0.6
    return min((percent - 64) * 2.5, 80)
