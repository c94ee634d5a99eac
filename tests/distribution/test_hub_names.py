"""Device and host cannot share a module: their rules for hub names are held equal here."""

from __future__ import annotations

import string

import pytest
from hubtool.names import check_hub_name
from hypothesis import example, given
from hypothesis import strategies as st
from localhub import names as localhub_names
from micropython_webpubsub.names import is_hub_name
from webpubsub.access_url import client_url

# Mostly characters of hub names, so that many of the texts are some.
_NEAR = st.text(string.ascii_letters + string.digits + "_`,.[]" * 4 + "-/ ä\n", max_size=140)


def device_takes(name: str) -> bool:
    try:
        client_url("wss://h", name)
    except ValueError:
        return False
    return True


def hubtool_takes(name: str) -> bool:
    try:
        return check_hub_name(name) == name
    except ValueError:
        return False


@given(_NEAR | st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
@example("a" * 128)
@example("a" * 129)
@example("")
@example("hub\n")
@example("\u0661")  # a digit, and none of ASCII
@example("a\ud800")
def test_device_and_host_take_the_same_names(name: str) -> None:
    assert device_takes(name) == is_hub_name(name) == hubtool_takes(name)


@pytest.mark.parametrize("before", ["", "a"])
def test_each_character_is_taken_by_both_or_by_none(before: str) -> None:
    names = [before + chr(number) for number in range(0x250)]
    assert [device_takes(name) for name in names] == [is_hub_name(name) for name in names]


def test_the_local_service_has_the_rule_of_the_host() -> None:
    assert localhub_names.is_hub_name is is_hub_name
