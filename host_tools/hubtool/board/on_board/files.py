"""Files of a board, for `hubtool`: it runs this in the raw REPL, then calls the functions.

`board/files.py` has the other side. What a function returns travels back as its repr.

path, old, new, folder: of a file or folder on the board, absolute, str; paths: a list of them.
encoded: a piece of the file under way, base64 in bytes or str. What fails raises OSError.
"""

import gc
import os
import sys
from binascii import a2b_base64, hexlify
from hashlib import sha256

# Of the type that os.ilistdir() tells, and os.stat() with more.
_IS_FILE = 0x8000
_IS_FOLDER = 0x4000
# By number: builds that leave the module errno out know no names.
_ENOENT = 2
_EEXIST = 17

# The file under way; there is one at a time.
_file = None

# What the stopped program leaves is garbage now, and the rest needs room.
gc.collect()


def identity():
    """Version, bytecode version (0: loads none), build, platform and machine of the firmware."""
    firmware = sys.implementation
    return (
        tuple(firmware.version[:3]),
        getattr(firmware, "_mpy", 0) & 0xFF,
        getattr(firmware, "_build", ""),
        sys.platform,
        getattr(firmware, "_machine", ""),
    )


def unique_id():
    """The chip's unique id in hexadecimal; empty where the firmware does not tell it."""
    try:
        import machine

        return hexlify(machine.unique_id()).decode()
    except (ImportError, AttributeError):
        return ""


def hash_file(path):
    """SHA-256 of a file in lower-case hexadecimal; None when there is no such file."""
    try:
        file = open(path, "rb")
    except OSError:
        return None
    digest = sha256()
    buffer = bytearray(512)
    view = memoryview(buffer)
    with file:
        count = file.readinto(buffer)
        while count:
            digest.update(view[:count])
            count = file.readinto(buffer)
    return hexlify(digest.digest()).decode()


def hash_files(paths):
    """`hash_file` of each path."""
    return [hash_file(path) for path in paths]


def read_file(path):
    """The content of a small file."""
    with open(path, "rb") as file:
        return file.read()


def list_files(folder):
    """Names of the files in a folder; none when there is no such folder."""
    try:
        return [entry[0] for entry in os.ilistdir(folder) if entry[1] == _IS_FILE]
    except OSError:
        return []


def folders_in(path):
    """Names of the folders in a folder, none when there is no such one; None for a file."""
    try:
        is_folder = os.stat(path)[0] & _IS_FOLDER
    except OSError:
        return []
    if not is_folder:
        return None
    return [entry[0] for entry in os.ilistdir(path) if entry[1] == _IS_FOLDER]


def make_folder(path):
    """Make a folder, unless it is there."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != _EEXIST:
            raise


def remove_file(path):
    """Remove a file, if it is there."""
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != _ENOENT:
            raise


def rename_file(old, new):
    """Rename a file; littlefs and FAT replace one of the new name."""
    os.rename(old, new)


def begin_file(path):
    """Open a file to be written, empty; `add_to_file` and `end_file` follow."""
    global _file
    _file = open(path, "wb")


def add_to_file(encoded):
    """Write base64: it is a third longer than the bytes, the repr of bytecode 170 %."""
    _file.write(a2b_base64(encoded))


def end_file():
    """Close the file that was begun."""
    _file.close()
