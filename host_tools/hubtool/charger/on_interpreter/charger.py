"""Runs on MicroPython: a charging point whose hardware is the console."""

import asyncio
import json
import os
import sys

from chargepoint import console


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
        asyncio.run(
            console.run(given["url"], given["id"], given["folder"], given["connectors"], **options)
        )
    except KeyboardInterrupt:
        print()
        sys.exit(130)


main()
