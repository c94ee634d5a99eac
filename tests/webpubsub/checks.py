"""What the unit tests share, on both interpreters."""


def raises(kind, function, *arguments, **named):
    """Call and return the exception, which must be of this kind."""
    try:
        function(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(kind.__name__ + " was not raised")


def equal(found, expected):
    """Compare, and show both."""
    assert found == expected, repr(found) + " is not " + repr(expected)
