"""A folder from which MicroPython's own build makes an image with the device code in the flash.

Frozen into the image, or in a ROMFS partition: either way the code takes no heap. Nothing is
built here, for that needs the ESP-IDF; what can be checked without it is checked.
"""
