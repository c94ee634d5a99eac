"""The OData filter of sends and of adding to groups (REST data plane, section 6).

A filter is parsed and its types are checked once, before any connection is looked at: whether it
is refused does not depend on who happens to be connected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from .errors import FilterError

MAX_CLAUSES = 100
# Parsing holds up everybody else. A query cannot be longer than 8 KiB anyway; a body could.
MAX_LENGTH = 16 * 1024
_MAX_QUOTED = 200
_INT64 = range(-(2**63), 2**63)

# Any name is a legal identifier or function at this stage, as in OData: `invalid filter` is
# wrong because of its second word. Keywords need a look-ahead, or `orders` would hold an `or`.
_GRAMMAR = r"""
?start: or_expr
?or_expr: and_expr (_OR and_expr)*
?and_expr: comparison (_AND comparison)*
?comparison: unary
    | unary COMPARE unary -> compare
    | unary _IN members -> within
members: "(" or_expr ("," or_expr)* ")" | name
?unary: primary | NOT unary -> negate
?primary: STRING -> string | INT -> integer | name | call | "(" or_expr ")" -> group
name: NAME
call: NAME "(" [or_expr ("," or_expr)*] ")"

_OR.2: /or(?!\w)/
_AND.2: /and(?!\w)/
_IN.2: /in(?!\w)/
NOT.2: /not(?!\w)/
COMPARE.2: /(eq|ne|gt|ge|lt|le)(?!\w)/
NAME: /[A-Za-z_]\w*/
STRING: /'[^']*(?:''[^']*)*'/
INT: /[+-]?[0-9]+/
%ignore /[ \t\r\n]+/
"""


class Subject(Protocol):
    """What a filter looks at; a Connection is one."""

    @property
    def id(self) -> str:
        """Connection id: `connectionId` in a filter."""

    @property
    def user_id(self) -> str | None:
        """None when it has none: `userId` in a filter."""

    @property
    def groups(self) -> Collection[str]:
        """The groups that it is a member of: `groups` in a filter."""

    @property
    def protocol_name(self) -> str | None:
        """The negotiated subprotocol, None without one: `protocol` in a filter."""


# str, int, bool, None or a collection of str: the kind of the expression says which.
Value = Any
Evaluate = Callable[[Any], Value]


@dataclass(frozen=True, slots=True)
class _Anonymous:
    id: str = ""
    user_id: str | None = None
    groups: Collection[str] = ()
    protocol_name: str | None = None


_ANONYMOUS = _Anonymous()


@dataclass(frozen=True, slots=True)
class _Expression:
    """One checked expression.

    Attributes:
        text: as it stands in the filter.
        kind: `bool`, `int`, `string`, `null` or `collection`. An int or a string may turn out
            to be null for a connection without a user id.
        evaluate: gives its value for one connection.
        constant: whether it is a literal.
    """

    text: str
    kind: str
    evaluate: Evaluate
    constant: bool = False

    def expect(self, *kinds: str) -> None:
        """Raise FilterError unless the expression is of one of these kinds."""
        if self.kind not in kinds:
            raise _wrong_type(self.text, self.kind, kinds[0])


class Filter:
    """A legal filter.

    Args:
        text: the OData expression.

    Raises:
        FilterError: a syntax error, a wrong type, more than 100 clauses or 16,384 characters.
    """

    def __init__(self, text: str) -> None:
        self._evaluate = _boolean(_Builder(text).build(_parse(text)), text)

    def matches(self, subject: Subject) -> bool:
        """Whether the filter selects a connection."""
        return bool(self._evaluate(subject))


# -- errors ---------------------------------------------------------------------------------


def _refusal(text: str, why: str) -> FilterError:
    if len(text) > _MAX_QUOTED:
        text = text[:_MAX_QUOTED] + "..."
    return FilterError(f"Invalid syntax for '{text}': {why}. (Parameter 'filter')")


def _wrong_type(text: str, kind: str, expected: str) -> FilterError:
    return _refusal(text, f"Type '{kind}', expect '{expected}'")


def _syntax_error(text: str, position: int) -> FilterError:
    quoted = text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."
    return _refusal(text, f"Syntax error at position {position} in '{quoted}'")


# -- syntax ---------------------------------------------------------------------------------


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", propagate_positions=True)


def _parse(text: str) -> Tree[Token]:
    if len(text) > MAX_LENGTH:
        raise _refusal(text, f"Longer than {MAX_LENGTH} characters")
    parser = _parser()
    try:
        _check_size(text, parser)
        return parser.parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, _position(text, error)) from None


def _check_size(text: str, parser: Lark) -> None:
    """Refuse what would nest too deep for the recursion below, or evaluate for too long."""
    clauses = depth = 1
    for token in parser.lex(text):
        if token.type in ("_OR", "_AND", "NOT"):
            clauses += 1
        elif token.type == "LPAR":
            depth += 1
        elif token.type == "RPAR":
            depth -= 1
        if max(clauses, depth) > MAX_CLAUSES:
            raise _refusal(text, f"More than {MAX_CLAUSES} clauses")


def _position(text: str, error: UnexpectedInput) -> int:
    """Where OData says that an error is: behind the token that does not fit."""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return error.token.end_pos or len(text)
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        # Only a string without an end makes a quote unexpected.
        return len(text) if text[start] == "'" else start + 1
    return len(text)


# -- meaning --------------------------------------------------------------------------------


def _boolean(expression: _Expression, text: str) -> Evaluate:
    """The evaluation of an operand that has to be true or false; `text` is quoted otherwise."""
    if expression.kind != "bool":
        # Azure finds wrong types by evaluating: what is null for a connection without a user
        # id is called null, whatever it is for others.
        nothing = expression.evaluate(_ANONYMOUS) is None
        raise _wrong_type(text, "null" if nothing else expression.kind, "bool")
    return expression.evaluate


def _same(left: Value, right: Value) -> bool:
    # In Python True equals 1; in OData it does not.
    return type(left) is type(right) and left == right


def _compare_integers(compare: Callable[[int, int], bool]) -> Callable[[Value, Value], bool]:
    def apply(left: Value, right: Value) -> bool:
        return isinstance(left, int) and isinstance(right, int) and compare(left, right)

    return apply


_COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "eq": _same,
    "ne": lambda left, right: not _same(left, right),
    "gt": _compare_integers(lambda left, right: left > right),
    "ge": _compare_integers(lambda left, right: left >= right),
    "lt": _compare_integers(lambda left, right: left < right),
    "le": _compare_integers(lambda left, right: left <= right),
}


def _substring(text: str, start: int, length: int | None = None) -> str:
    start = max(start, 0)
    return text[start:] if length is None else text[start : start + max(length, 0)]


@dataclass(frozen=True, slots=True)
class _Function:
    """A function whose value for a null argument is `without`."""

    kind: str
    apply: Callable[..., Value]
    arguments: tuple[str, ...]
    optional: int = 0
    without: Value = None


_ONE, _TWO = ("string",), ("string", "string")
_FUNCTIONS = {
    "endswith": _Function("bool", str.endswith, _TWO, without=False),
    "startswith": _Function("bool", str.startswith, _TWO, without=False),
    "contains": _Function("bool", str.__contains__, _TWO, without=False),
    "indexof": _Function("int", str.find, _TWO, without=-1),
    "length": _Function("int", len, _ONE),
    "tolower": _Function("string", str.lower, _ONE),
    "toupper": _Function("string", str.upper, _ONE),
    "trim": _Function("string", str.strip, _ONE),
    "concat": _Function("string", str.__add__, _TWO),
    "substring": _Function("string", _substring, ("string", "int", "int"), optional=1),
}

_LITERALS: dict[str, tuple[str, Value]] = {
    "true": ("bool", True),
    "false": ("bool", False),
    "null": ("null", None),
}
_IDENTIFIERS: dict[str, tuple[str, Evaluate]] = {
    "userid": ("string", lambda subject: subject.user_id),
    "connectionid": ("string", lambda subject: subject.id),
    "groups": ("collection", lambda subject: subject.groups),
    # Not in the published contract; Microsoft's emulator has it (ODataFilterExecutor.cs).
    "protocol": ("string", lambda subject: subject.protocol_name),
}


class _Builder:
    """Makes checked expressions of a parse tree."""

    def __init__(self, text: str) -> None:
        self._text = text

    def build(self, tree: Tree[Token]) -> _Expression:
        """The expression of one node and all below it."""
        build: Callable[[str, list[Any]], _Expression] = getattr(self, f"_{tree.data}")
        return build(self._source(tree), tree.children)

    def _source(self, tree: Tree[Token]) -> str:
        return self._text[tree.meta.start_pos : tree.meta.end_pos]

    def _operand(self, tree: Tree[Token]) -> _Expression:
        """An expression that is no collection: those stand behind `in` and in `length` only."""
        expression = self.build(tree)
        expression.expect("string", "int", "bool", "null")
        return expression

    # -- logic -----------------------------------------------------------------------------

    def _conditions(self, children: list[Any]) -> list[Evaluate]:
        return [_boolean(self.build(child), self._source(child)) for child in children]

    def _or_expr(self, text: str, children: list[Any]) -> _Expression:
        parts = self._conditions(children)
        return _Expression(text, "bool", lambda subject: any(part(subject) for part in parts))

    def _and_expr(self, text: str, children: list[Any]) -> _Expression:
        parts = self._conditions(children)
        return _Expression(text, "bool", lambda subject: all(part(subject) for part in parts))

    def _negate(self, text: str, children: list[Any]) -> _Expression:
        inner = _boolean(self.build(children[1]), text)
        return _Expression(text, "bool", lambda subject: not inner(subject))

    def _group(self, text: str, children: list[Any]) -> _Expression:
        inner = self.build(children[0])
        return _Expression(text, inner.kind, inner.evaluate, inner.constant)

    # -- comparisons -----------------------------------------------------------------------

    def _compare(self, text: str, children: list[Any]) -> _Expression:
        left, right = self._operand(children[0]), self._operand(children[2])
        operator = str(children[1])
        if operator not in ("eq", "ne"):
            left.expect("int", "null")
            right.expect("int", "null")
        compare = _COMPARISONS[operator]
        one, other = left.evaluate, right.evaluate
        return _Expression(text, "bool", lambda subject: compare(one(subject), other(subject)))

    def _within(self, text: str, children: list[Any]) -> _Expression:
        wanted = self._operand(children[0]).evaluate
        members = [self.build(child) for child in children[1].children]
        if len(members) == 1 and members[0].kind == "collection":
            collection = members[0].evaluate
            return _Expression(
                text, "bool", lambda subject: wanted(subject) in collection(subject)
            )
        for member in members:
            member.expect("string", "int", "bool", "null")
        if all(member.constant for member in members):
            values = {_typed(member.evaluate(_ANONYMOUS)) for member in members}
            return _Expression(text, "bool", lambda subject: _typed(wanted(subject)) in values)
        each = [member.evaluate for member in members]
        return _Expression(
            text,
            "bool",
            lambda subject: any(_same(wanted(subject), value(subject)) for value in each),
        )

    def _members(self, text: str, children: list[Any]) -> _Expression:
        raise AssertionError("members are built by _within")

    # -- operands --------------------------------------------------------------------------

    def _string(self, text: str, children: list[Any]) -> _Expression:
        value = text[1:-1].replace("''", "'")
        return _Expression(text, "string", lambda subject: value, constant=True)

    def _integer(self, text: str, children: list[Any]) -> _Expression:
        # Python refuses to read thousands of digits, with an error of its own.
        if len(text) > 20 or int(text) not in _INT64:
            raise _syntax_error(self._text, children[0].end_pos)
        value = int(text)
        return _Expression(text, "int", lambda subject: value, constant=True)

    def _name(self, text: str, children: list[Any]) -> _Expression:
        if text in _LITERALS:
            kind, value = _LITERALS[text]
            return _Expression(text, kind, lambda subject: value, constant=True)
        if text.lower() in _IDENTIFIERS:
            return _Expression(text, *_IDENTIFIERS[text.lower()])
        raise _refusal(
            self._text,
            f"Unknown identifier '{text[:40]}', expect userId, connectionId, groups or protocol",
        )

    def _call(self, text: str, children: list[Any]) -> _Expression:
        name = str(children[0])
        function = _FUNCTIONS.get(name)
        if function is None:
            raise _refusal(self._text, f"Unknown function '{name[:40]}'")
        arguments = [self.build(child) for child in children[1:] if child is not None]
        wanted = len(function.arguments)
        if not wanted - function.optional <= len(arguments) <= wanted:
            raise _refusal(text, f"Function '{name}' takes {wanted} arguments")
        for argument, kind in zip(arguments, function.arguments, strict=False):
            _check_argument(argument, kind, collections=name == "length")
        values = [argument.evaluate for argument in arguments]
        apply, without = function.apply, function.without

        def evaluate(subject: Any) -> Value:
            given = [value(subject) for value in values]
            return without if None in given else apply(*given)

        return _Expression(text, function.kind, evaluate)


def _check_argument(argument: _Expression, kind: str, *, collections: bool) -> None:
    if kind == "int":
        # Positions in `substring` are written out, not computed.
        if argument.kind != "int" or not argument.constant:
            raise _wrong_type(argument.text, argument.kind, "integer literal")
    elif collections:
        argument.expect("string", "null", "collection")
    else:
        argument.expect("string", "null")


def _typed(value: Value) -> tuple[type, Value]:
    return type(value), value
