# Runs after boot.py. All the rest is in the package firmware; Ctrl-C gives the prompt.
try:
    from webpubsub import once

    # Before anything else is loaded: see webpubsub/heap.py.
    try:
        config = once("firmware.build")
        ballast = once("webpubsub.heap").shape(config.GROWTH, config.BALLAST)
        del config
    except (ImportError, AttributeError):
        ballast = once("webpubsub.heap").shape()
    import firmware

    firmware.load()
except Exception as error:  # noqa: BLE001 - a file is missing, cut short, or of another version
    print(
        "[board] the device code cannot be loaded (%s): "
        "run hubtool deploy, or build the image anew where it is frozen" % error
    )
else:
    firmware.start(ballast=ballast)
