"""What the end of a connection means for its session. Loaded for it and let go; see `once`.

Plain functions, so that nothing of this is there while a recovery needs the memory.
"""


def is_recoverable(keeper):
    """Let the connection go that ended for `keeper.reason`; whether its session may go on.

    It may be called again when what comes next met a MemoryError.

    keeper: the Keeper.
    """
    if keeper.ws:
        keeper.drop()
        keeper.stats.last_reason = keeper.reason
        keeper.longest = max(keeper.longest, keeper.lasted)
    return keeper.session.recoverable(_code(keeper.reason))


def lost(keeper):
    """The session ended with its connection: what comes next is a new one.

    keeper: the Keeper.
    """
    reason, keeper.reason = keeper.reason, None
    keeper.pause = 0
    keeper.lost()
    keeper.state = "reconnecting"
    keeper.client.emit("disconnected", code=_code(reason), reason=reason)


def _code(reason):
    return getattr(reason, "code", 1006)
