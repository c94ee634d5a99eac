"""Who may charge: the local list, the cache, and what holds while there is no connection.

OCPP 1.6, sections 3.5.1 to 3.5.4. idTags and parentIdTags are CiStrings: `TAG1` is `tag1`.
"""

from webpubsub.compat import const

from . import timestamps

# How many idTags the cache holds; some 60 bytes each.
_CACHED = const(40)
_NAME = "cache"


def same(one, other):
    """Whether two idTags, or parentIdTags, are the same; None is like nobody.

    one, other: str or None."""
    return one is not None and other is not None and one.lower() == other.lower()


class Authorization:
    """What is known of idTags.

    storage: a Storage. configuration: a Configuration. local_list: an object with `find(id_tag)`,
    which gives (status, expiry, parentIdTag), as below, or None; itself None without the profile
    LocalAuthListManagement.

    Of an idTag the cache keeps (idTag in lower case, status, expiry as Unix seconds or None,
    parentIdTag or None), the one that was heard of last at the end.
    """

    def __init__(self, storage, configuration, local_list=None):
        self._storage = storage
        self._configuration = configuration
        self.local_list = local_list
        found = storage.load(_NAME)
        # A list of lists, if nobody else wrote it.
        self._cache = [tuple(entry) for entry in found or () if len(entry) == 4]

    def find(self, id_tag, utc):
        """What list and cache say: (accepted, parentIdTag); None when they know nothing.

        id_tag: str. utc: Unix seconds, or None while the time is not known."""
        if self.local_list is not None and self._configuration.value("LocalAuthListEnabled"):
            found = self.local_list.find(id_tag)
            if found is not None:
                return _judged(*found, utc)
        if self._configuration.value("AuthorizationCacheEnabled"):
            id_tag = id_tag.lower()
            for tag, status, expiry, parent in self._cache:
                if tag == id_tag:
                    return _judged(status, expiry, parent, utc)
        return None

    def offline(self, id_tag, utc):
        """What holds without the central system: (accepted, parentIdTag).

        id_tag, utc: as for `find`."""
        found = self.find(id_tag, utc)
        if found is None:
            return self._configuration.value("AllowOfflineTxForUnknownId"), None
        return found[0] and self._configuration.value("LocalAuthorizeOffline"), found[1]

    def before_asking(self, id_tag, utc):
        """What holds without waiting for the central system: as `find`, if that may begin.

        id_tag, utc: as for `find`."""
        found = self.find(id_tag, utc)
        if found and found[0] and self._configuration.value("LocalPreAuthorize"):
            return found
        return None

    def learn(self, id_tag, info):
        """Take over what the central system said of an idTag.

        id_tag: str. info: its idTagInfo, a dict."""
        if not self._configuration.value("AuthorizationCacheEnabled"):
            return
        # What the list holds is not cached (section 3.5.3).
        if self.local_list is not None and self.local_list.find(id_tag) is not None:
            return
        expiry = timestamps.parse(info.get("expiryDate"))
        new = id_tag.lower(), info.get("status"), expiry, info.get("parentIdTag")
        cache = self._cache
        for at, entry in enumerate(cache):
            if entry[0] == new[0]:
                cache.append(cache.pop(at))
                if entry == new:
                    return  # its place is not worth a write
                cache.pop()
                break
        if len(cache) >= _CACHED:
            for at, entry in enumerate(cache):
                if entry[1] != "Accepted":
                    cache.pop(at)
                    break
            else:
                cache.pop(0)
        cache.append(new)
        self._storage.save(_NAME, cache)

    def clear(self):
        """Forget the cache; whether there is one."""
        if not self._configuration.value("AuthorizationCacheEnabled"):
            return False
        self._cache = []
        self._storage.save(_NAME, [])
        return True


def _judged(status, expiry, parent, utc):
    # What an entry means now: (accepted, parentIdTag).
    over = expiry is not None and utc is not None and expiry <= utc
    return status == "Accepted" and not over, parent
