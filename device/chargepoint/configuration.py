"""The configuration keys of OCPP 1.6 (section 9), as far as this charging point has them.

A change counts at once: whoever needs a value asks for it each time. Keys are CiStrings, so
`heartbeatinterval` is HeartbeatInterval.
"""

from webpubsub.compat import const

_NAME = "configuration"
_LONGEST = const(500)  # of a value: CiString500
_LARGEST = const(0x7FFFFFFF)
_REGISTER = "Energy.Active.Import.Register"

# Key, value as it comes, and whether the central system may change it. The type is that of the
# value. Whole numbers are seconds, Wh, or counts; none is negative.
_KEYS = (
    ("AllowOfflineTxForUnknownId", False, True),
    ("AuthorizationCacheEnabled", True, True),
    ("AuthorizeRemoteTxRequests", False, True),
    ("ClockAlignedDataInterval", 0, True),
    ("ConnectionTimeOut", 60, True),
    ("ConnectorPhaseRotation", "NotApplicable", True),
    ("GetConfigurationMaxKeys", 40, False),
    ("HeartbeatInterval", 300, True),
    ("LocalAuthListEnabled", True, True),
    ("LocalAuthorizeOffline", True, True),
    ("LocalPreAuthorize", False, True),
    ("MaxEnergyOnInvalidId", 0, True),
    ("MessageTimeout", 30, True),
    ("MeterValuesAlignedData", _REGISTER, True),
    ("MeterValuesSampledData", _REGISTER, True),
    ("MeterValueSampleInterval", 60, True),
    ("MinimumStatusDuration", 0, True),
    ("NumberOfConnectors", 1, False),
    ("ResetRetries", 0, True),
    ("StopTransactionOnEVSideDisconnect", True, True),
    ("StopTransactionOnInvalidId", True, True),
    ("StopTxnAlignedData", "", True),
    ("StopTxnSampledData", "", True),
    ("SupportedFeatureProfiles", "Core,RemoteTrigger", False),
    ("TransactionMessageAttempts", 3, True),
    ("TransactionMessageRetryInterval", 60, True),
    ("UnlockConnectorOnEVSideDisconnect", True, True),
    ("WebSocketPingInterval", 20, True),
)


class Configuration:
    """The values, which outlive power cuts.

    storage: a Storage. fixed: values of this charging point, by key, such as NumberOfConnectors,
    which the central system cannot change. absent: keys that it does not have, in a row of str.

    validators: by key, function(text) that says whether a value may be taken. writers: by key in
    lower case, function(text) that takes a value in place of this object and returns the status:
    such keys are never read. A hook of `on_change` is called with each key that was changed.
    """

    def __init__(self, storage, fixed=None, absent=()):
        self._storage = storage
        self._values = {}
        self._changed = {}
        self._hooks = []
        self.validators = {}
        self.writers = {}
        for key, value, _ in _KEYS:
            if key not in absent:
                self._values[key] = value
        self._fixed = fixed or {}
        self._values.update(self._fixed)
        found = storage.load(_NAME)
        if isinstance(found, dict):
            for key, value in found.items():
                # Of another version, or of before something was switched off.
                if type(value) is type(self._values.get(key)) and key not in self._fixed:
                    self._values[key] = self._changed[key] = value

    def value(self, key):
        """The value of a key, a bool, an int or a str.

        key: as it is written in OCPP, str."""
        return self._values[key]

    def on_change(self, hook):
        """Have a function called with each key that is changed.

        hook: that function."""
        self._hooks.append(hook)

    def keys(self):
        """All keys that can be read, as they are written in OCPP, in the order of the alphabet."""
        return sorted(self._values)

    def find(self, key):
        """How a key is written in OCPP, str; None when there is none.

        key: in any capitals, str."""
        lower = key.lower()
        for known in self._values:
            if known.lower() == lower:
                return known
        return None

    def is_read_only(self, key):
        """Whether the central system cannot change a key.

        key: as it is written in OCPP, str."""
        for known, _, writable in _KEYS:
            if known == key:
                return not writable or key in self._fixed
        return True

    def text(self, key):
        """The value as OCPP writes it, str.

        key: as it is written in OCPP, str."""
        value = self._values[key]
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def set(self, key, text):
        """ChangeConfiguration: its status.

        key: in any capitals, str. text: the value, str."""
        writer = self.writers.get(key.lower())
        if writer:
            return writer(text)
        known = self.find(key)
        if known is None:
            return "NotSupported"
        if self.is_read_only(known):
            return "Rejected"
        value = _parsed(text, self._values[known])
        check = self.validators.get(known)
        if value is None or (check and not check(text)):
            return "Rejected"
        if value != self._values[known]:
            self._values[known] = self._changed[known] = value
            self._storage.save(_NAME, self._changed)
            for hook in self._hooks:
                hook(known)
        return "Accepted"


def _parsed(text, like):
    # The value in a text, of the type of another one; None when there is none.
    if isinstance(like, bool):
        return {"true": True, "false": False}.get(text.strip().lower())
    if isinstance(like, int):
        text = text.strip()
        if not text.isdigit() or len(text) > 10 or int(text) > _LARGEST:
            return None
        return int(text)
    return text if len(text) <= _LONGEST else None
