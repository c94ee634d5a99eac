# Runs after boot.py. All the rest is in the package firmware; Ctrl-C gives the prompt.
try:
    from webpubsub.memory import once

    # Before anything else is loaded: see webpubsub/heap.py.
    try:
        sizes = once("firmware.build")
        ballast = once("webpubsub.heap").shape(sizes.GROWTH, sizes.BALLAST)
        del sizes
    except (ImportError, AttributeError):
        ballast = once("webpubsub.heap").shape()
    from firmware.node import start
except Exception as error:  # noqa: BLE001 - a file is missing, cut short, or of another version
    remedy = "run hubtool deploy, or build the image anew where it is frozen"
    print("[board] the device code cannot be loaded (%s): %s" % (error, remedy))
else:
    start(ballast=ballast)
