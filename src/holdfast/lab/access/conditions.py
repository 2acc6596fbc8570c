"""Conditions of policies: `{"StringEquals": {"aws:RequestTag/team": "backup"}}` against the context of a request.

Rules from the IAM user guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple context
keys or values": operators and keys are all to hold, of several values one; a negated operator holds where the key is
missing; `...IfExists` holds where the key is missing; `ForAllValues` holds where the key is missing, `ForAnyValue` does
not.
"""

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

Context = Mapping[str, tuple[str, ...]]
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERAL = {"*": "*", "?": "?", "$": "$"}
_ARN_PARTS = 6


class UnknownOperatorError(ValueError):
    """A condition operator that the policy language does not have."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator over one key: `key` in lower case, `quantifier` "", "all" or "any"."""

    compare: Callable[[str, str], bool]
    key: str
    values: tuple[str, ...]
    negated: bool = False
    if_exists: bool = False
    quantifier: str = ""

    def holds(self, context: Context) -> bool:
        """Whether a request with this context fulfils it."""
        found = context.get(self.key)
        if found is None:
            return self.if_exists or self.quantifier == "all" or (self.negated and self.quantifier != "any")
        wanted = [value for raw in self.values if (value := substituted(raw, context)) is not None]

        def matches(value: str) -> bool:
            return any(self.compare(value, one) for one in wanted) != self.negated

        every = self.quantifier == "all" or (self.negated and self.quantifier != "any")
        return all(map(matches, found)) if every else any(map(matches, found))


@dataclass(frozen=True, slots=True)
class NullCondition:
    """`Null`: whether the key is missing."""

    key: str
    missing: bool

    def holds(self, context: Context) -> bool:
        """Whether a request with this context fulfils it."""
        return (self.key not in context) == self.missing


def parsed(block: Mapping[str, Mapping[str, object]]) -> tuple[Condition | NullCondition, ...]:
    """The conditions of a statement, all of which have to hold. UnknownOperatorError for an operator there is not."""
    return tuple(_one(operator, key, value) for operator, keys in block.items() for key, value in keys.items())


def _one(operator: str, key: str, value: object) -> Condition | NullCondition:
    name = operator.lower()
    values = tuple(_text(one) for one in (value if isinstance(value, list) else [value]))
    if name == "null":
        return NullCondition(key.lower(), values == ("true",))
    quantifier = ""
    for prefix, meaning in (("forallvalues:", "all"), ("foranyvalue:", "any")):
        if name.startswith(prefix):
            name, quantifier = name.removeprefix(prefix), meaning
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if name not in _OPERATORS:
        raise UnknownOperatorError(operator)
    compare, negated = _OPERATORS[name]
    return Condition(compare, key.lower(), values, negated, if_exists, quantifier)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def substituted(text: str, context: Context) -> str | None:
    """The text with its policy variables filled in, as a pattern; None where one of them has no value.

    A value that stands for a variable is taken literally, whatever it contains.
    """
    if "${" not in text:
        return text
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        name, comma, default = match.group(1).partition(",")
        if name in _LITERAL:
            return literal(name)
        values = context.get(name.strip().lower())
        if values is not None and len(values) == 1:
            return literal(values[0])
        if comma:
            return literal(default.strip().strip("'"))
        missing = True
        return ""

    filled = _VARIABLE.sub(fill, text)
    return None if missing else filled


def literal(text: str) -> str:
    """A pattern that only this text fits; the two wildcards are marked, and `glob` knows the marks."""
    return text.replace("*", "\ue000").replace("?", "\ue001")


@lru_cache(4096)
def glob(pattern: str, ignore_case: bool = False) -> re.Pattern[str]:
    """A pattern of the policy language: `*` is any text, `?` one character, everything else is itself."""
    words = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern)
    words = words.replace("\ue000", r"\*").replace("\ue001", r"\?")
    return re.compile(words, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def arn_matches(value: str, pattern: str) -> bool:
    """ARNs are compared part by part: a `*` does not reach beyond its colon, but for the last part."""
    parts, wanted = value.split(":", _ARN_PARTS - 1), pattern.split(":", _ARN_PARTS - 1)
    if pattern == "*":
        return True
    if not len(parts) == len(wanted) == _ARN_PARTS:
        return False
    return all(glob(one).fullmatch(part) for part, one in zip(parts, wanted, strict=True))


def _plain(pattern: str) -> str:
    return pattern.replace("\ue000", "*").replace("\ue001", "?")


def _equal(value: str, wanted: str) -> bool:
    return value == _plain(wanted)


def _equal_ignoring_case(value: str, wanted: str) -> bool:
    return value.lower() == _plain(wanted).lower()


def _like(value: str, wanted: str) -> bool:
    return glob(wanted).fullmatch(value) is not None


def _boolean(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(value: str, wanted: str) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False

    return compared


def _moment(text: str) -> float:
    if fnmatch.fnmatchcase(text, "*T*"):
        moment = datetime.fromisoformat(text)
    elif "-" in text:
        moment = datetime.fromisoformat(f"{text}T00:00:00")
    else:
        return float(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _date(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(value: str, wanted: str) -> bool:
        try:
            return compare(_moment(value), _moment(wanted))
        except ValueError:
            return False

    return compared


def _within(value: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "equals": lambda a, b: a == b,
    "lessthan": lambda a, b: a < b,
    "lessthanequals": lambda a, b: a <= b,
    "greaterthan": lambda a, b: a > b,
    "greaterthanequals": lambda a, b: a >= b,
}
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "stringequals": (_equal, False),
    "stringnotequals": (_equal, True),
    "stringequalsignorecase": (_equal_ignoring_case, False),
    "stringnotequalsignorecase": (_equal_ignoring_case, True),
    "stringlike": (_like, False),
    "stringnotlike": (_like, True),
    "bool": (_boolean, False),
    "binaryequals": (_equal, False),
    "arnequals": (arn_matches, False),
    "arnlike": (arn_matches, False),
    "arnnotequals": (arn_matches, True),
    "arnnotlike": (arn_matches, True),
    "ipaddress": (_within, False),
    "notipaddress": (_within, True),
    "numericnotequals": (_number(_ORDERS["equals"]), True),
    "datenotequals": (_date(_ORDERS["equals"]), True),
    **{f"numeric{name}": (_number(order), False) for name, order in _ORDERS.items()},
    **{f"date{name}": (_date(order), False) for name, order in _ORDERS.items()},
}
