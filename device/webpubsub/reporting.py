"""Tells of a callback that failed. Loaded for it; see `once`."""

import asyncio


def report(error, name):
    """Hand an exception of a callback for event `name` to the event loop's exception handler.

    error: that exception."""
    context = {"message": "callback for %s failed" % name, "exception": error}
    task = asyncio.current_task()
    if hasattr(task, "coro"):
        context["future"] = task  # MicroPython's handler prints it, CPython's chokes on it
    asyncio.get_event_loop().call_exception_handler(context)
