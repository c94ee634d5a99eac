"""Blinks a board's LED, so that somebody who stands before it finds it.

Loaded for the command `identify` with `once`. It waits, for some seconds, and so does the module:
that is why it holds nothing else.
"""

from . import console, runtime
from .runtime import const

_TIMES = const(10)
_PAUSE = 0.25


async def blink(commands):
    """Blink the LED that the settings name; then let the task of Commands go.

    commands: the Commands whose task it is."""
    number = commands.settings.led
    try:
        import machine

        pin = machine.Pin(number, machine.Pin.OUT)
        for _ in range(_TIMES):
            pin.value(not pin.value())
            await runtime.sleep(_PAUSE)
    except (ImportError, ValueError, OSError) as error:
        console.say("command", "device.led: pin %d cannot be used (%s)" % (number, error))
    finally:
        commands.blinking = None
