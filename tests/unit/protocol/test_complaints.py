"""What pydantic finds wrong is told in our words, whatever it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from holdfast.protocol.complaints import complaint


class Tier(StrEnum):
    BULK = "bulk"


@dataclass
class Strict:
    number: int

    def __post_init__(self) -> None:
        if self.number > 5:
            raise ValueError("five is the most")


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (Strict, {}, "is missing"),
        (Strict, {"number": 6}, "is refused: five is the most"),
        (Strict, 3, "does not consist of names and values"),
        (int, "few", "is no whole number"),
        (int, 1.5, "is no whole number"),
        (float, "few", "is no number"),
        (bool, "perhaps", "is neither true nor false"),
        (str, 3, "is no text"),
        (list[int], 3, "is no list"),
        (tuple[str, ...], "x", "is no list"),
        (dict[str, int], 3, "does not consist of names and values"),
        (datetime, "soon", "is no time as RFC 3339 writes it"),
        (Tier, "slow", "is not one of 'bulk'"),
        (Literal["a", "b"], "c", "is not one of 'a' or 'b'"),
        (Annotated[int, Field(ge=1)], 0, "is less than 1"),
        (Annotated[int, Field(le=1)], 2, "is more than 1"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "has more than 1 entries"),
        (Annotated[str, Field(min_length=2)], "a", "has fewer than 2 characters"),
        (Annotated[str, Field(pattern="^a$")], "b", "does not look like ^a$"),
    ],
)
def test_a_refusal_is_told_in_our_words(kind, value, said):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert complaint(caught.value.errors()[0]) == said
