"""OData filters: what they select, and how they are refused."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localhub.rest.errors import FilterError
from localhub.rest.odata_filter import MAX_CLAUSES, MAX_LENGTH, Filter

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Client:
    id: str = "c1"
    user_id: str | None = "user-ab-de"
    groups: tuple[str, ...] = ("g1", "g2")
    protocol_name: str | None = "json.webpubsub.azure.v1"


CLIENT, ANONYMOUS = Client(), Client("c2", None, (), None)


@pytest.mark.parametrize(
    ("text", "client", "anonymous"),
    [
        ("true", True, True),
        ("false", False, False),
        ("'g1' in groups or 'g3' in groups", True, False),
        ("'g1' in groups and 'g3' in groups", False, False),
        ("'g1' in (groups)", True, False),
        ("userId in groups", False, False),
        ("userId eq null", False, True),
        # The emulator's ODataFilterExecutor.cs, and its README.md, "Use a server SDK".
        ("protocol eq 'json.webpubsub.azure.v1'", True, False),
        ("startswith(PROTOCOL, 'json.')", True, False),
        ("protocol eq null", False, True),
        ("protocol in ('json.webpubsub.azure.v1', 'ocpp1.6')", True, False),
        ("userId ne null", True, False),
        ("null eq null", True, True),
        ("USERID eq 'user-ab-de' and ConnectionID eq 'c1'", True, False),
        ("userId eq 'User-ab-de'", False, False),
        ("tolower(toupper(userId)) eq 'user-ab-de'", True, False),
        ("userId eq 'o''brien'", False, False),
        ("concat('o''', 'b') eq 'o''b'", True, True),
        ("startswith(userId,'user') and connectionId ne 'c2'", True, False),
        ("not startswith(userId,'user')", False, True),
        ("endswith(userId,'-de')", True, False),
        ("contains(userId,'-ab-') eq true", True, False),
        ("contains(userId,null)", False, False),
        ("length(groups) gt 1", True, False),
        ("length(groups) eq 0", False, True),
        ("not (length(userId) gt 5)", False, True),
        ("length(userId) eq null", False, True),
        ("length(userId) ge 10 and length(userId) le 10", True, False),
        ("length(userId) lt +11", True, False),
        ("length(null) gt -1", False, False),
        ("null gt 1", False, False),
        ("indexof(userId,'-ab-') ge 0", True, False),
        ("indexof(userId,'x') eq -1", True, True),
        ("substring(userId,5,2) eq 'ab'", True, False),
        ("substring(userId,5) eq 'ab-de'", True, False),
        ("substring(userId,100) eq ''", True, False),
        ("substring(userId,-3,4) eq 'user'", True, False),
        ("trim('  x ') eq 'x'", True, True),
        ("userId in ('a', 'user-ab-de')", True, False),
        ("userId in ('a', null)", False, True),
        ("userId in (connectionId, 'user-ab-de')", True, False),
        ("1 in (1,2)", True, True),
        ("true in (1,2)", False, False),
        ("1 eq true", False, False),
        ("1 eq '1'", False, False),
        ("(startswith(userId,'user')) eq false", False, True),
        # `not` binds tighter than comparisons, these tighter than `and`, and that than `or`.
        ("true or true and false", True, True),
        ("(true or true) and false", False, False),
        ("not true or true", True, True),
        ("not (true or true)", False, False),
        ("not true eq false", True, True),
        ("not not true", True, True),
        ("  ( userId\teq\n'user-ab-de' ) ", True, False),
        ("'in' in ('or and not')", False, False),
        ("substring('orders', 0, 2) eq 'or'", True, True),
    ],
)
def test_what_filters_select(text, client, anonymous):
    selects = Filter(text)
    assert (selects.matches(CLIENT), selects.matches(ANONYMOUS)) == (client, anonymous)


SYNTAX = "Invalid syntax for '{0}': Syntax error at position {1} in '{0}'. (Parameter 'filter')"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("invalid filter", 14),
        ("userId eq", 9),
        ("userId eq 'a", 12),
        ("userId eq 'a' 'b'", 17),
        ("userId == 'a'", 8),
        ("(true", 5),
        ("true)", 5),
        ("", 0),
        ("and", 3),
        ("userId eq 'a' eq true", 16),
        ("startswith(userId,'a'", 21),
        ("userId in 'a'", 13),
        ("userId in ()", 12),
        ("length(groups) gt 9223372036854775808", 37),
        ("length(groups) gt " + "9" * 5000, 5018),
        ("é eq 1", 1),
        ("true\x00", 5),
    ],
)
def test_syntax_errors_say_where(text, position):
    with pytest.raises(FilterError) as error:
        Filter(text)
    if len(text) < 200:
        assert str(error.value) == SYNTAX.format(text, position)
    else:
        assert f"at position {position} in" in str(error.value)
        assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("text", "quoted", "why"),
    [
        ("not length(userId) gt 5", "not length(userId)", "Type 'null', expect 'bool'"),
        ("null", "null", "Type 'null', expect 'bool'"),
        ("userId", "userId", "Type 'null', expect 'bool'"),
        ("protocol", "protocol", "Type 'null', expect 'bool'"),
        ("connectionId", "connectionId", "Type 'string', expect 'bool'"),
        ("1", "1", "Type 'int', expect 'bool'"),
        # Both sides count, whatever the first one is.
        ("true or 'x'", "'x'", "Type 'string', expect 'bool'"),
        ("false and 1", "1", "Type 'int', expect 'bool'"),
        ("userId gt 5", "userId", "Type 'string', expect 'int'"),
        ("true lt 1", "true", "Type 'bool', expect 'int'"),
        ("groups eq 'g'", "groups", "Type 'collection', expect 'string'"),
        ("'g' in ('a', groups)", "groups", "Type 'collection', expect 'string'"),
        ("length(1) eq 1", "1", "Type 'int', expect 'string'"),
        ("tolower(groups) eq 'g'", "groups", "Type 'collection', expect 'string'"),
        ("substring(userId,length(userId)) eq 'a'", "length(userId)", "integer literal"),
        ("substring(userId,'1') eq 'a'", "'1'", "integer literal"),
        ("tolower(userId,'a') eq 'a'", "tolower(userId,'a')", "takes 1 arguments"),
        ("length() eq 1", "length()", "takes 1 arguments"),
        ("user eq 'a'", "user eq 'a'", "Unknown identifier 'user'"),
        ("True", "True", "Unknown identifier 'True'"),
        ("startsWith(userId,'a')", "startsWith(userId,'a')", "Unknown function 'startsWith'"),
    ],
)
def test_wrong_types_and_names_say_what(text, quoted, why):
    with pytest.raises(FilterError) as error:
        Filter(text)
    assert str(error.value).startswith(f"Invalid syntax for '{quoted}': ")
    assert why in str(error.value)
    assert str(error.value).endswith(". (Parameter 'filter')")


def test_how_long_and_deep_filters_may_be():
    longest = " or ".join(["false"] * MAX_CLAUSES)
    assert not Filter(longest).matches(CLIENT)
    deepest = "(" * (MAX_CLAUSES - 1) + "true" + ")" * (MAX_CLAUSES - 1)
    assert Filter(deepest).matches(CLIENT)
    assert Filter("not " * 98 + "true").matches(CLIENT)
    for text in (longest + " or true", f"(({deepest}))", "not " * 200 + "true", "(" * 10**4):
        with pytest.raises(FilterError, match=f"More than {MAX_CLAUSES} clauses"):
            Filter(text)


def test_a_long_list_is_looked_up_not_searched():
    names = [f"u{number}" for number in range(1500)]
    listed = ",".join(f"'{name}'" for name in names)
    selects = Filter(f"userId in ({listed})")
    assert all(selects.matches(Client(user_id=name)) for name in names)
    start = time.perf_counter()
    assert not any(selects.matches(CLIENT) for _ in range(10_000))
    assert time.perf_counter() - start < 2


def test_how_much_text_a_filter_may_have():
    shortest = "userId eq ''"
    room = MAX_LENGTH - len(shortest)
    assert not Filter(f"userId eq '{'x' * room}'").matches(CLIENT)
    with pytest.raises(FilterError, match=f"Longer than {MAX_LENGTH} characters"):
        Filter(f"userId eq '{'x' * (room + 1)}'")


_WORDS = [
    *("userId", "connectionId", "groups", "true", "false", "null", "'a'", "''", "1", "-1", "x"),
    *("and", "or", "not", "in", "eq", "ne", "gt", "ge", "lt", "le", "(", ")", ",", "'''", "é"),
    *("startswith", "endswith", "contains", "indexof", "length", "tolower", "trim", "substring"),
]


@patient
@given(st.one_of(st.text(), st.lists(st.sampled_from(_WORDS), max_size=30).map(" ".join)))
def test_any_text_is_a_filter_or_refused(text):
    try:
        selects = Filter(text)
    except FilterError:
        return
    assert selects.matches(CLIENT) in (True, False)
    assert selects.matches(ANONYMOUS) in (True, False)


def _expressions(depth: int = 3) -> st.SearchStrategy[tuple[str, object]]:
    """Boolean expressions together with what Python says that they are."""
    leaves = st.sampled_from(
        [
            ("true", True),
            ("false", False),
            ("userId eq 'user-ab-de'", True),
            ("'g3' in groups", False),
            ("length(groups) ge 2", True),
            ("startswith(userId, 'x')", False),
        ]
    )
    if not depth:
        return leaves
    inner = _expressions(depth - 1)
    return st.one_of(
        leaves,
        inner.map(lambda one: (f"not ({one[0]})", not one[1])),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) and ({two[1][0]})", two[0][1] and two[1][1])
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) or ({two[1][0]})", two[0][1] or two[1][1])
        ),
        st.tuples(leaves, leaves, leaves).map(
            lambda three: (
                f"{three[0][0]} or {three[1][0]} and {three[2][0]}",
                three[0][1] or (three[1][1] and three[2][1]),
            )
        ),
    )


@patient
@given(_expressions())
def test_logic_is_that_of_python(pair):
    text, expected = pair
    assert Filter(text).matches(CLIENT) == expected
