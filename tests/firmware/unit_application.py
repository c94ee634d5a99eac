import asyncio
import sys

import fakes
from checks import raises
from firmware import application, console

PARENT = sys.argv[2] + "/"
if PARENT not in sys.path:
    sys.path.insert(0, PARENT)


def install(text):
    sys.modules.pop("app", None)
    if hasattr(sys, "dont_write_bytecode"):
        sys.dont_write_bytecode = True
        import importlib

        importlib.invalidate_caches()
    with open(PARENT + "app.py", "w") as file:
        file.write(text)


def run(client="client"):
    commands = fakes.Module(more={})
    bench = fakes.Console(console)
    try:
        asyncio.run(application.load(commands).main(client, "settings"))
    finally:
        commands.lines = bench.lines
    return commands


def test_hands_over():
    install("async def main(client, settings):\n    client.append(settings)\n")
    seen = []
    commands = run(seen)
    assert seen == ["settings"]
    assert commands.more == {}
    assert commands.lines == ["[app] started"]


def test_commands_of_the_app_are_looked_at_anew():
    install(
        "commands = {'start': max}\n"
        "async def main(client, settings):\n    commands['stop'] = min\n"
    )
    assert run().more == {"start": max, "stop": min}


def test_built_in_names_are_said():
    install("commands = {'ping': max}\nasync def main(client, settings):\n    pass\n")
    assert "[app] its command 'ping' is not used: that name is built in" in run().lines


def test_a_failure_comes_through():
    install("async def main(client, settings):\n    raise ValueError('no meter')\n")
    with raises(ValueError) as caught:
        run()
    assert caught.text == "no meter"


def test_a_syntax_error_comes_through_each_time():
    install("async def main(client, settings)\n")
    for _ in range(2):
        with raises(SyntaxError):
            run()
    install("import no_such_module_here\n")
    for _ in range(2):
        with raises(ImportError):
            run()


def test_no_main():
    install("x = 1\n")
    with raises(AttributeError):
        run()


def test_whether_there_is_one():
    install("")
    assert application.is_there(PARENT)
    assert not application.is_there(PARENT + "nowhere/")
