"""What comes out of a subprotocol."""

# The kinds of tuples that a protocol's `decode` returns.
ACK = 1
CONNECTED = 2
DISCONNECTED = 3


class Message:
    """A message from the service.

    kind: "group" or "server". group: its group, or None. data: what was sent: any JSON value,
    str, or bytes, by data_type "json", "text", "binary" or "protobuf" (a serialised Any).
    from_user_id: the sender's user id, or None. sequence_id: int on a reliable subprotocol.
    """

    def __init__(self, kind, group, data, data_type, from_user_id, sequence_id):
        self.kind = kind
        self.group = group
        self.data = data
        self.data_type = data_type
        self.from_user_id = from_user_id
        self.sequence_id = sequence_id

    def __repr__(self):
        place = self.group if self.kind == "group" else "server"
        return "<Message from %s: %r>" % (place, self.data)
