"""Each gap of a docstring is found, and what is said in any of the three places is enough."""

from __future__ import annotations

import pytest

from .docstrings import gaps_in

DEVICE, HOST = "device/webpubsub/a.py", "host_tools/localhub/a.py"


@pytest.mark.parametrize(
    ("path", "source", "text"),
    [
        (HOST, "x = 1", "no docstring"),
        (HOST, '"""A."""\ndef f(): pass', "no docstring"),
        (HOST, '"""A."""\nclass C:\n    """C."""\n    def f(self): pass', "no docstring"),
        (HOST, '"""A."""\nif x:\n    def f(): pass', "no docstring"),
        (DEVICE, '"""A."""\ndef f(a):\n    """Does."""', "does not describe a"),
        (DEVICE, '"""A."""\ndef f(a):\n    """Does a thing."""', "does not describe a"),
        (DEVICE, '"""A."""\ndef f(*, a):\n    """b: str."""', "does not describe a"),
        (
            HOST,
            '"""A."""\n@dataclass\nclass C:\n    """C."""\n    a: int\n    _b: int',
            "does not describe a",
        ),
        (
            HOST,
            '"""A."""\ndef f():\n    """Does."""\n    raise ValueError("x")',
            "does not say that it raises ValueError",
        ),
    ],
)
def test_a_gap_is_found(path: str, source: str, text: str) -> None:
    [gap] = gaps_in(path, source)
    assert (gap.path, gap.text) == (path, text)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (HOST, '"""A."""\ndef f(a):\n    """Does: the types are in the annotations."""'),
        (HOST, '"""A."""\ndef _f(a): pass\nclass _C: pass'),
        (HOST, '"""A."""\nclass P:\n    """P."""\n    def data_received(self, data): pass'),
        (HOST, '"""A."""\ndef f():\n    """Does."""\n    def g():\n        raise ValueError("x")'),
        (HOST, '"""A."""\ndef f():\n    """Does."""\n    try: g()\n    except E: raise'),
        (DEVICE, '"""A."""\ndef f(a, b):\n    """Does. a, b: str."""'),
        (DEVICE, '"""A."""\ndef f(a, _b):\n    """Does `a`."""'),
        (DEVICE, '"""A. a: str."""\ndef f(a):\n    """Does."""'),
        (
            DEVICE,
            '"""A."""\nclass C:\n    """C. a: str."""\n    def f(self, a):\n        """F."""',
        ),
        (DEVICE, '"""A. Raises ValueError."""\ndef f():\n    """F."""\n    raise ValueError("x")'),
    ],
)
def test_what_is_enough(path: str, source: str) -> None:
    assert list(gaps_in(path, source)) == []
