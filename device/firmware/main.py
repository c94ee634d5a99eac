# Runs after boot.py. All the rest is in the package firmware; Ctrl-C gives the prompt.
try:
    from firmware.node import start
except Exception as error:  # noqa: BLE001 - a file is missing, cut short, or of another version
    remedy = "run hubtool deploy, or build the image anew where it is frozen"
    print("[board] the device code cannot be loaded (%s): %s" % (error, remedy))
else:
    start()
