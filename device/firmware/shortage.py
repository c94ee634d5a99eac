"""When memory is short: what that is, how it is reported, and when only a reset helps.

All of it is resident: it is needed when nothing can be loaded any more.
"""

import gc
import os

from webpubsub.errors import OutOfMemory
from webpubsub.memory import idf_heap, is_room_for_tls, once, python_heap

from . import runtime
from .console import say
from .runtime import const

# Attempts to connect, one after another, that failed for want of memory: after so many the
# ballast goes, and after so many in so many seconds the board has to be reset.
_BALLAST_GOES = const(3)
_HOPELESS = const(6)
_PATIENCE = const(120)
# Seconds that a board runs at least before it resets itself for this: doubled by each such
# reset since it was last well, up to six hours.
_FIRST_PAUSE = const(180)
_LONGEST_PAUSE = const(21600)

# Bytes of the largest IDF block below which lwIP cannot take a frame in.
_FRAME = const(1800)

# What `wiring` sets: what `webpubsub.heap.shape` gave, or None (its first part is the ballast, and
# None where that could not be had); how often in a row the board was reset for want of memory, and
# whether that is why it started; and whether it uses TLS.
ballast = None
resets = 0
was_cause = False
uses_tls = False

# In the folder of the settings: how often in a row, and "+" before it until a start has seen it.
FILE = "/shortage"

_times = 0
_since = 0


def is_shortage(error):
    """Whether an error says that there was no memory, Python's or the network's.

    error: an exception."""
    # ENOMEM of lwIP, and EAI_MEMORY of its getaddrinfo.
    return isinstance(error, (MemoryError, OutOfMemory)) or getattr(error, "errno", 0) in (
        12,
        -203,
    )


def in_words(error):
    """The text of an error for people, without tokens; the name of its class if it has none.

    error: an exception."""
    text = str(error) or type(error).__name__
    if "eyJ" in text:
        text = once("firmware.hiding").hide(text)
    if is_shortage(error):
        text = "out of memory: %s; %s" % (text, figures())
    return text


def figures():
    """What memory there is, in words."""
    text = "Python has used %d of %d bytes" % (python_heap() or (0, 0))
    idf = idf_heap()
    if idf:
        text += ", the network has %d left, %d in one piece" % idf
    return text


def met(reason):
    """Count a failure, by its reason; returns whether it was for want of memory.

    Two things are, without saying so: who has no room for a handshake gets none, and who has no
    room for a frame sees a silent peer.

    reason: an exception, or None.
    """
    global _times, _since, ballast
    if not is_shortage(reason):
        idf = idf_heap()
        if not idf or (idf[1] >= _FRAME and (not uses_tls or is_room_for_tls())):
            over()
            return False
    _times += 1
    if _times == 1:
        _since = runtime.ticks_ms()
    gc.collect()
    if not _times & (_times - 1):  # the 1st, 2nd, 4th, 8th ... time
        say("memory", "short: " + figures())
    if _times >= _BALLAST_GOES and ballast and ballast[0]:
        say("memory", "letting the ballast go")
        ballast[0].release()
        ballast = None
    return True


def over():
    """There was memory for what had to be done."""
    global _times
    _times = 0


def seconds_left(uptime):
    """Seconds until a board that has run for `uptime` seconds must be reset, or None."""
    if _times < _HOPELESS or runtime.ticks_diff(runtime.ticks_ms(), _since) < _PATIENCE * 1000:
        return None
    return max(0, min(_FIRST_PAUSE << min(resets, 7), _LONGEST_PAUSE) - uptime)


def remember(folder):
    """Note that the board is reset for want of memory, for its next start.

    folder: where the settings are, str."""
    try:
        with open(folder + FILE, "w") as file:
            file.write("+%d" % (resets + 1))
    except (OSError, MemoryError):
        pass  # the reset counts, not the word about it


def forget(folder):
    """The board has been well for long: the next reset for want of memory is the first one.

    folder: where the settings are, str."""
    global resets
    if resets:
        resets = 0
        try:
            os.remove(folder + FILE)
        except OSError:
            pass
