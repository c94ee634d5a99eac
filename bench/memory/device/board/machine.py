"""Of `machine` on an ESP32 what the firmware uses; there it is in the image, and takes no heap."""

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5


def reset():
    raise SystemExit


def reset_cause():
    return PWRON_RESET


class WDT:
    def __init__(self, id=0, timeout=5000):
        pass

    def feed(self):
        pass


class RTC:
    def datetime(self, moment):
        pass
