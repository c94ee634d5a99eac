"""Calls of OCPP-J: those that this side makes, and the error that answers one."""


class Call:
    """A call to the central system, from when it is due until it is answered.

    action: str, such as "Heartbeat". payload: a dict, or a function without arguments that makes
    it at the moment of sending. result: function that takes the payload of the CALLRESULT, a dict;
    it raises KeyError, TypeError or ValueError for one that makes no sense, before it does
    anything. error: function that takes the code of the CALLERROR, a str, or None when the time
    was over or the connection lost. Exactly one of the two is called, once.
    """

    def __init__(self, action, payload, result=None, error=None):
        self.action = action
        self.payload = payload
        self.result = result
        self.error = error


class CallError(Exception):
    """Raised by what serves a call of the central system, to answer it with a CALLERROR.

    code: of OCPP-J 1.6, section 4.2.3, as it is written there: NotImplemented, NotSupported,
    InternalError, ProtocolError, SecurityError, FormationViolation, PropertyConstraintViolation,
    OccurenceConstraintViolation, TypeConstraintViolation or GenericError. description: str, for
    people; of at most 255 characters.
    """

    def __init__(self, code, description=""):
        super().__init__(code)
        self.code = code
        self.description = description
