"""The control pilot: the values of IEC 61851-1, and that both ways agree."""

from chargepoint import pilot
from checks import equal


def test_states_and_what_is_between_them():
    for volts, state in (
        (13, "A"),
        (12, "A"),
        (11, "A"),
        (10.5, None),
        (10, "B"),
        (8, "B"),
        (7.5, None),
        (7, "C"),
        (5, "C"),
        (4, "D"),
        (2, "D"),
        (1.5, None),
        (1, "E"),
        (0, "E"),
        (-1, "E"),
        (-6, None),
        (-11, "F"),
        (-12, "F"),
        (-13, "F"),
        (13.5, None),
        (-14, None),
    ):
        equal((volts, pilot.state(volts)), (volts, state))


def test_duty_cycles_for_amperes():
    for amperes, percent in (
        (0, 100),
        (5.9, 100),
        (6, 10),
        (10, 16.7),
        (13, 21.7),
        (16, 26.7),
        (20, 33.3),
        (32, 53.3),
        (48, 80),
        (51, 85),
        (63, 89.2),
        (80, 96),
        (100, 96),
    ):
        found = pilot.duty_cycle(amperes)
        assert abs(found - percent) < 0.05, (amperes, found)


def test_amperes_for_duty_cycles():
    for percent, amperes in (
        (0, 0),
        (2.9, 0),
        (3, None),
        (5, None),
        (7, None),
        (7.5, 0),
        (8, 6),
        (9.9, 6),
        (10, 6),
        (50, 30),
        (85, 51),
        (86, 55),
        (96, 80),
        (96.5, 80),
        (97, 80),
        (97.5, 0),
        (100, 0),
    ):
        found = pilot.amperes(percent)
        if amperes is None or found is None:
            equal((percent, found), (percent, amperes))
        else:
            assert abs(found - amperes) < 0.01, (percent, found)


def test_there_and_back():
    for tenths in range(60, 801):
        # What is between 51 and 52.5 A has no duty cycle, and never is more offered.
        amperes = 51 if 510 < tenths <= 525 else tenths / 10
        found = pilot.amperes(pilot.duty_cycle(tenths / 10))
        assert abs(found - amperes) < 0.01, (amperes, found)
