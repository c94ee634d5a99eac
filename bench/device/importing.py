"""Heap bytes that remain taken after each part is imported."""

import gc


def taken():
    gc.collect()
    return gc.mem_alloc()


def report(name, before):
    print(name, taken() - before)
    return taken()


at = taken()
import asyncio  # noqa: E402, F401

at = report("asyncio", at)
import webpubsub.websocket  # noqa: E402

at = report("websocket", at)
import webpubsub.client  # noqa: E402
import webpubsub.json_protocol  # noqa: E402, F401

report("client", at)
