"""What CPython imports at its start in the tests, before a script of the device.

Development mode reports each call of the event loop that took long. On a busy machine any may: a
report is no fault of the script, whose output tests compare.
"""

import logging


def _is_no_slow_call(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Executing %s took")


logging.getLogger("asyncio").addFilter(_is_no_slow_call)
