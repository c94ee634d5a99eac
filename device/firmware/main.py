# Runs after boot.py. All the rest lies in /lib/firmware; Ctrl-C gives the prompt.
try:
    from firmware.node import start
except Exception as error:  # noqa: BLE001 - a file is missing, cut short, or of another version
    print("[board] the device code cannot be loaded (%s): run hubtool deploy" % error)
else:
    start()
