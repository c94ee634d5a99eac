"""What the unit tests share, on both interpreters."""


def raises(kind, function=None, *arguments, **named):
    """Call and return the exception, which must be of this kind.

    Without a function: `with raises(kind) as caught:`, where caught.error is the exception and
    caught.text its message.
    """
    if function is None:
        return _Raising(kind)
    try:
        function(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(kind.__name__ + " was not raised")


class _Raising:
    def __init__(self, kind):
        self.kind = kind
        self.error = self.text = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is not None, self.kind.__name__ + " was not raised"
        if not issubclass(kind, self.kind):
            return False
        self.error = error
        self.text = str(error)
        return True


def equal(found, expected):
    """Compare, and show both."""
    assert found == expected, repr(found) + " is not " + repr(expected)
