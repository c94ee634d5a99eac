"""Runs on MicroPython: a charging point whose hardware is the console."""

import asyncio
import json
import os
import sys

from chargepoint import ChargePoint, console


async def run(given, options):
    """The charging point, and its record if there is to be one.

    given: of CHARGER, a dict. options: of ChargePoint, by name."""
    folder, count = given["folder"], given["connectors"]

    def make(hardware):
        return ChargePoint(
            given["url"], given["id"], hardware, connectors=count, folder=folder, **options
        )

    if not given["record"]:
        await console.serve(console.Desk(folder, count, make))
        return
    import recording

    header = {
        "charger": given["id"],
        "version": recording.VERSION,
        "connectors": count,
        "options": given["recorded"],
        "files": recording.snapshot(folder),
    }
    recorder = recording.Recorder(given["record"], header)
    desk = console.Desk(folder, count, recorder.making(make), recorder.say)
    recorder.desk(desk)
    await console.serve(desk)


def main():
    """As CHARGER says, which has no secret in it; until somebody ends it."""
    given = json.loads(os.getenv("CHARGER"))
    options = given["options"]
    if given["key"]:
        options["key"] = os.getenv(given["key"])
    if given["ca"]:
        from webpubsub import tls_context

        with open(given["ca"], "rb") as file:
            options["ssl"] = tls_context(file.read())
    try:
        asyncio.run(run(given, options))
    except KeyboardInterrupt:
        print()
        sys.exit(130)


main()
