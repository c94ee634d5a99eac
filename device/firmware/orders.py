"""What the built-in commands do (docs/remote-care.md), and who else does the others.

Loaded for each command with `once`: nothing here may wait, stay or be kept. What a command
waits for is a coroutine of another module.
"""

import asyncio

from webpubsub.memory import once

from . import CommandError, console

BUILTIN = (
    "identify",
    "log_level",
    "ping",
    "report",
    "reset",
    "set_ca",
    "set_endpoint",
    "set_negotiate",
    "set_token",
)


def perform(commands, data, kind, answer):
    """Carry out one command; all but `report`, which needs the memory.

    Args:
        commands: Commands.
        data: dict, as it came.
        kind: "group" or "server".
        answer: dict, as it will go out.

    Returns:
        Its result, or a coroutine that ends with it.

    Raises:
        CommandError: it cannot be done; the text says why.
        Exception: whatever an app's command raises.
    """
    name, arguments = data["command"], data.get("arguments")
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        raise CommandError("'arguments' must be an object")
    if not isinstance(name, str):
        raise CommandError("'command' must be a string")
    if name == "ping":
        return "pong"
    if name == "identify":
        return _identify(commands)
    if name == "log_level":
        return _log_level(arguments)
    if name == "reset":
        commands.leaving = True
        return "resetting"
    if name in BUILTIN:
        if commands.leaving:
            raise CommandError("the board is about to reset")
        seconds = commands.change_settings(name, arguments, kind, data.get("id"))
        commands.leaving = answer["pending"] = True
        return "resetting, to try it for %d s; the outcome follows" % seconds
    function = commands.more.get(name)
    if function is None:
        names = sorted(set(BUILTIN) | set(commands.more))
        raise CommandError("unknown command: use one of " + ", ".join(names))
    return function(arguments)


def _log_level(arguments):
    if arguments:
        name = arguments.get("level")
        if name not in console.LEVELS:
            raise CommandError("'level': use one of " + ", ".join(console.LEVELS))
        console.level = console.LEVELS.index(name)
    return console.LEVELS[console.level]


def _identify(commands):
    settings = commands.settings
    console.say("command", "this is %s" % settings.device_id)
    if settings.led is not None:
        # Waits in a module of its own, which is small.
        blink = once("firmware.blinking").blink
        commands.blinking = asyncio.create_task(blink(commands))
    result = once("firmware.report").versions()
    result["kind"] = settings.device_kind
    result["generation"] = settings.generation
    clock = once("firmware.clock")
    result["time"] = clock.iso(clock.unix_time()) if clock.is_set() else None
    return result
