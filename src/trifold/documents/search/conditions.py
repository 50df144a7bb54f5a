"""Conditions on the columns of documents, such as `year >= 2020 and label in ('good', 'fair')`.

A small language of its own, read into a tree (`where.py` computes it): nothing in a condition is ever run.

    condition  = all { "or" all }
    all        = one { "and" one }
    one        = "not" one | "(" condition ")" | column test
    test       = ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value | "contains" 'text'
               | ["not"] "in" "(" value { "," value } ")" | "is" ["not"] "null"
    column     = a word, or any name in "double quotes"
    value      = a number, 'text' with '' for a quote, true or false
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from trifold.errors import SettingsError

_TOKENS = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<word>[^\W\d][\w.-]*)|(?P<sign>==|!=|<>|<=|>=|[=<>(),]))"
)
_SIGNS = {"=": "equal", "==": "equal", "!=": "not_equal", "<>": "not_equal", "<": "less", "<=": "less_equal"}
_SIGNS |= {">": "greater", ">=": "greater_equal"}
_WORDS = frozenset({"and", "or", "not", "in", "is", "null", "contains", "true", "false"})
_MAX_CHARACTERS, _MAX_DEPTH = 100_000, 100

Value = float | int | str | bool


@dataclass(frozen=True)
class Test:
    """A test of a column.

    Attributes:
        column: Its name.
        kind: `equal`, `not_equal`, `less`, `less_equal`, `greater`, `greater_equal`, `in`, `contains` or `null`.
        values: What it is compared with.
    """

    column: str
    kind: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Joined:
    """Several conditions.

    Attributes:
        kind: `and` and `or` of all, or `not` of the only one.
        parts: The conditions.
    """

    kind: str
    parts: tuple["Condition", ...]


Condition = Test | Joined


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        SettingsError: If it is none; the message says where it goes wrong.
    """
    if len(text) > _MAX_CHARACTERS:
        raise SettingsError(f"--where has {len(text):,} characters, and the most that are read are {_MAX_CHARACTERS:,}")
    return _Parser(text).whole()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[_Token] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKENS.match(text, at)
            if found is None:
                space = len(text[at:]) - len(text[at:].lstrip())
                self._refuse(at + space, "is not understood")
            kind = found.lastgroup
            self._tokens.append(_Token(str(kind), found[str(kind)], found.start(str(kind))))
            at = found.end()
        self._next = 0
        self._depth = 0

    def whole(self) -> Condition:
        found = self._any()
        if self._next < len(self._tokens):
            self._refuse(self._tokens[self._next].start, "stands where and, or or the end was expected")
        return found

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise SettingsError(f"--where nests more than {_MAX_DEPTH} deep: make it simpler")
        if self._take("not"):
            found: Condition = Joined("not", (self._one(),))
        elif self._take("("):
            found = self._any()
            self._expect(")")
        else:
            found = self._test()
        self._depth -= 1
        return found

    def _test(self) -> Condition:
        token = self._any_token("a column")
        if token.kind == "quoted":
            column = token.text[1:-1].replace('""', '"')
        elif token.kind == "word" and token.text.lower() not in _WORDS:
            column = token.text
        else:
            self._refuse(token.start, "stands where a column was expected")
        if self._take("is"):
            inverted = self._take("not")
            self._expect("null")
            return _inverted(Test(column, "null", ()), inverted=inverted)
        inverted = self._take("not")
        if self._take("in"):
            self._expect("(")
            values = [self._value()]
            while self._take(","):
                values.append(self._value())
            self._expect(")")
            return _inverted(Test(column, "in", tuple(values)), inverted=inverted)
        if self._take("contains"):
            value = self._value()
            if not isinstance(value, str):
                self._refuse(self._tokens[self._next - 1].start, "stands where a text in single quotes was expected")
            return _inverted(Test(column, "contains", (value,)), inverted=inverted)
        sign = self._any_token("a comparison")
        if inverted or sign.text not in _SIGNS:
            self._refuse(sign.start, "stands where a comparison was expected, such as = or >=")
        return Test(column, _SIGNS[sign.text], (self._value(),))

    def _value(self) -> Value:
        token = self._any_token("a value")
        if token.kind == "number":
            plain = token.text.lstrip("-").isdigit()
            return int(token.text) if plain and len(token.text) < 19 else float(token.text)
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "word" and token.text.lower() in ("true", "false"):
            return token.text.lower() == "true"
        self._refuse(token.start, "stands where a value was expected: a number, or a text in single quotes")
        return None

    def _take(self, word: str) -> bool:
        """Go on behind a word or sign if it comes next."""
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token.kind in ("word", "sign") and token.text.lower() == word:
                self._next += 1
                return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            token = self._any_token(word)
            self._refuse(token.start, f"stands where {word} was expected")

    def _any_token(self, wanted: str) -> _Token:
        if self._next == len(self._tokens):
            raise SettingsError(f"--where ends where {wanted} was expected: {_shown(self._text, len(self._text))}")
        self._next += 1
        return self._tokens[self._next - 1]

    def _refuse(self, start: int, what: str) -> NoReturn:
        raise SettingsError(
            f"--where: {self._text[start : start + 20]!r} {what} (character {start + 1}): write conditions such as "
            "year >= 2020 and label = 'good'"
        )


def _inverted(test: Test, *, inverted: bool) -> Condition:
    return Joined("not", (test,)) if inverted else test


def _shown(text: str, end: int) -> str:
    return repr(text[max(0, end - 40) : end])
