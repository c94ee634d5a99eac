"""The rule for hub names is written three times, for who has it cannot share a module: held equal.

A board's code is not there on a host, and hubtool works without localhub, as with Azure.
"""

from __future__ import annotations

from hubtool.names import check_hub_name as of_hubtool
from hypothesis import example, given
from hypothesis import strategies as st
from localhub.names import is_hub_name
from webpubsub.url import client_url


def accepts(rule, name: str) -> bool:
    try:
        rule(name)
    except ValueError:
        return False
    return True


def of_localhub(name: str) -> None:
    if not is_hub_name(name):
        raise ValueError


def of_device(name: str) -> str:
    return client_url("wss://contoso.webpubsub.azure.com", name)


NEAR = st.text(st.sampled_from("aZ09_`,.[]-/ %\u00e9\n"), max_size=6)
LONG = st.integers(120, 135).map(lambda length: "a" * length)


@given(NEAR | LONG | st.text(max_size=4))
@example("")
@example("a" * 128)
@example("a" * 129)
@example("hub\n")
@example("\u0661")  # a digit, and none of ASCII
@example("a\ud800")
def test_every_side_takes_the_same_hub_names(name: str) -> None:
    verdicts = {accepts(rule, name) for rule in (of_device, of_hubtool, of_localhub)}
    assert len(verdicts) == 1, name


def test_all_single_characters() -> None:
    for code in range(0x250):
        for name in (chr(code), "a" + chr(code)):
            test_every_side_takes_the_same_hub_names.hypothesis.inner_test(name)
