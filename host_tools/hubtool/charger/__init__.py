"""`hubtool charger`: a charging point on the desk, which is the device code on MicroPython.

The command becomes the interpreter: one process, so that ending it by SIGKILL is a power cut, and
nothing lives on. What it keeps is in one directory, and the next start there is the next power-up.
"""
