"""The key and the security profile: changed over OCPP, on trial until they have let us in."""

from binascii import hexlify, unhexlify
from hashlib import sha256

from webpubsub import once
from webpubsub.compat import const

_NAME = const("credentials")
# New ones that are refused so often, or do not connect within so many seconds, are given up.
_REFUSALS = const(3)
_TRIAL = const(300)


class Credentials:
    """What the charging point proves itself by; shown nowhere.

    storage: a Storage. clock: a Clock. key: bytes, str (its UTF-8) or None. profile: security
    profile, 0 to 3. highest: the highest one that the program is ready for. generation: of the
    settings that key and profile are from, int: what came over OCPP holds until these three
    change.

    changed: whether the connection should be made anew.
    """

    def __init__(self, storage, clock, key=None, profile=0, highest=None, generation=0):
        self._storage = storage
        self._clock = clock
        self._highest = profile if highest is None else highest
        if isinstance(key, str):
            key = key.encode()
        self._key = key
        self.profile = profile
        self._old = None  # (key, profile) until the present ones have let us in
        self._since = 0
        self._refusals = 0
        self.changed = False
        given = sha256(b"%d %d " % (generation, profile) + (key or b"")).digest()
        self._given = hexlify(given[:8]).decode()
        stored = storage.load(_NAME)
        if stored and stored[0] == self._given:
            self._key, self.profile = _read(stored[1], stored[2])
            if len(stored) > 3:
                self._old = _read(stored[3], stored[4])

    def headers(self, identity):
        """The header fields of a connection, a dict with a secret in it.

        identity: str."""
        if self._key is None or self.profile not in (1, 2):
            return {}
        basic = once("chargepoint.addresses").basic(identity, self._key)
        return {"Authorization": basic}

    # over OCPP

    def write_key(self, text):
        """What becomes of a ChangeConfiguration of AuthorizationKey: its status.

        text: hexadecimal digits."""
        try:
            key = once("chargepoint.addresses").key_of(text)
        except ValueError:
            return "Rejected"
        return self._try(key, self.profile)

    def write_profile(self, text):
        """What becomes of a ChangeConfiguration of SecurityProfile: its status.

        text: a number, which may only be higher than the present one."""
        profile = int(text) if text in ("0", "1", "2", "3") else -1
        if profile == self.profile:
            return "Accepted"
        if not self.profile < profile <= self._highest or (profile < 3 and self._key is None):
            return "Rejected"
        return self._try(self._key, profile)

    def _try(self, key, profile):
        before = self._key, self.profile, self._old
        if (key, profile) == before[:2]:
            return "Accepted"
        self._old = self._old or before[:2]
        self._key, self.profile = key, profile
        if not self._save():
            self._key, self.profile, self._old = before
            return "Rejected"
        self._since = self._clock.uptime()
        self._refusals = 0
        self.changed = True
        return "Accepted"

    # what became of attempts

    @property
    def on_trial(self):
        """Whether there are others to go back to."""
        return self._old is not None

    def connected(self):
        """These let us in."""
        if self._old:
            self._old = None
            self._save()

    def failed(self, status=0):
        """An attempt failed; True when those before are in force again.

        status: HTTP status of the answer; 0 without one."""
        if not self._old:
            return False
        self._refusals += status == 401
        if self._refusals < _REFUSALS and self.left() > 0:
            return False
        (self._key, self.profile), self._old = self._old, None
        self._save()
        return True

    def left(self):
        """Seconds until a trial is over."""
        return self._since + _TRIAL - self._clock.uptime()

    def _save(self):
        state = [self._given, _written(self._key), self.profile]
        if self._old:
            state += [_written(self._old[0]), self._old[1]]
        return self._storage.save(_NAME, state)


def _written(key):
    return None if key is None else hexlify(key).decode()


def _read(key, profile):
    return None if key is None else unhexlify(key), profile
