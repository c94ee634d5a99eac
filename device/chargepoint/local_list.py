"""The local authorization list (OCPP 1.6, section 3.5.2): on the flash, and looked up there.

`list_calls` has what the central system asks about it.
"""

from struct import pack, unpack

_NAME = "list"
KEYS = {"LocalAuthListMaxLength": 200, "SendLocalListMaxLength": 50}
# As they are numbered on the flash.
STATUSES = ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]


class LocalList:
    """The idTags that the central system has given.

    storage: a Storage. version: of the list, int; 0 while it is empty. count: of its entries.
    refused: how many lists had no room.

    The file has version and count, and then of each entry: the length of what follows, status,
    expiry as Unix seconds or 0, the length of the idTag, the idTag in lower case, the parentIdTag.
    """

    def __init__(self, storage):
        self.storage = storage
        self.version = self.count = self.refused = 0
        file = storage.open(_NAME)
        if file:
            with file:
                self.version, self.count = unpack("<iH", file.read(6))

    def entries(self):
        """The bytes of each entry, one after the other, as they are on the flash.

        Raises:
            OSError: they cannot be read.
        """
        if self.count:
            file = self.storage.open(_NAME)
            if file is None:
                raise OSError
            with file:
                file.read(6)
                for _ in range(self.count):
                    size = file.read(1)
                    yield size + file.read(size[0])

    def find(self, id_tag):
        """(status, expiry as Unix seconds or None, parentIdTag or None); None of a stranger.

        id_tag: str, in any capitals."""
        wanted = id_tag.lower().encode()
        found = None
        try:
            # To the end in any case: that closes the file.
            for entry in self.entries():
                end = 7 + entry[6]
                if entry[7:end] == wanted:
                    found = entry
        except OSError:
            return None
        if found is None:
            return None
        status, expiry, size = unpack("<BIB", found[1:7])
        return STATUSES[status], expiry or None, str(found[7 + size :], "utf-8") or None

    def write(self, version, count, entries):
        """Have another list; whether that worked: if not, it is the one before.

        version, count: of it. entries: as from `entries`."""
        if not self.storage.write(_NAME, _pieces(version, count, entries)):
            return False
        self.version, self.count = version, count
        return True


def _pieces(version, count, entries):
    yield pack("<iH", version, count)
    for entry in entries:
        yield entry
