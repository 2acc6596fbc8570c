"""Recovery codes as people type them, and the bounds of what a password slot may cost."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.errors import FormatError, UsageError
from holdfast.repository.crypto.password import (
    ALPHABET,
    MEMORY_KIB,
    approved_password_key,
    looks_like_recovery_code,
    password_key,
    print_recovery_code,
    read_recovery_code,
)
from tests.golden import independent

codes = st.binary(min_size=32, max_size=32)


@settings(max_examples=100, deadline=None)
@given(codes)
def test_code_is_printed_and_read(code):
    text = print_recovery_code(code)
    assert text == independent.recovery_text(code)
    assert looks_like_recovery_code(text)
    as_typed = text.lower().replace("0", "o").replace("1", "l").replace("-", " - ")
    for typed in (text, text.lower(), f"  {text}\n", text.replace("-", ""), as_typed):
        assert looks_like_recovery_code(typed)
        assert read_recovery_code(typed) == code


@settings(max_examples=100, deadline=None, derandomize=True)  # 16 bits of checksum let one in 65,536 through
@given(codes, st.integers(0, 54), st.sampled_from(ALPHABET))
def test_one_wrong_letter_is_mistyped(code, at, letter):
    letters = list(print_recovery_code(code).removeprefix("HF1-").replace("-", ""))
    if letters[at] == letter:
        return
    letters[at] = letter
    with pytest.raises(UsageError, match=r"^the recovery code is mistyped \(its checksum does not match") as told:
        read_recovery_code("HF1-" + "".join(letters))
    assert told.value.cure == "compare it with the printed code, group by group"


@pytest.mark.parametrize("typed", ["", "HF1-", "HF1-" + "0" * 54, "HF1-" + "0" * 56, "HF1-" + "U" * 55, "ä" * 55])
def test_what_is_no_code_is_mistyped(typed):
    with pytest.raises(UsageError, match=r"^the recovery code is mistyped \(it does not have 11 groups of 5") as told:
        read_recovery_code(typed)
    assert told.value.cure == "compare it with the printed code, group by group"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=70))
def test_any_text_is_read_or_mistyped(typed):
    for text in (typed, "HF1-" + typed):
        try:
            assert len(read_recovery_code(text)) == 32
        except UsageError:
            continue


RIGHT = {"memory_kib": 65536, "iterations": 3, "lanes": 4}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_kib", 65535),
        ("memory_kib", 1048577),
        ("memory_kib", 2**40),
        ("iterations", 2),
        ("iterations", 11),
        ("lanes", 0),
        ("lanes", 17),
    ],
)
def test_a_cost_out_of_bounds_is_refused_before_it_is_paid(name, value):
    with pytest.raises(FormatError):
        password_key(b"password", bytes(16), **{**RIGHT, name: value})


def test_a_salt_of_another_length_is_refused():
    with pytest.raises(FormatError, match=r"salt of 15 bytes \(a password slot's salt has 16\)$"):
        password_key(b"password", bytes(15), **RIGHT)


@pytest.mark.parametrize(("iterations", "salt_bytes"), [(599_999, 16), (10_000_001, 16), (2**40, 16), (600_000, 15)])
def test_suite_1_refuses_what_is_out_of_bounds_before_it_is_paid(iterations, salt_bytes):
    with pytest.raises(FormatError):
        approved_password_key(b"password", bytes(salt_bytes), iterations=iterations)


def test_what_a_slot_may_ask_for_at_most_is_asked_for():
    """What is refused here is the salt alone, before anything is paid."""
    for cost in (
        {"memory_kib": 65536, "iterations": 3, "lanes": 1},
        {"memory_kib": 2**20, "iterations": 10, "lanes": 16},
    ):
        with pytest.raises(FormatError, match="salt of 15 bytes"):
            password_key(b"password", bytes(15), **cost)
    for iterations in (600_000, 10_000_000):
        with pytest.raises(FormatError, match="salt of 15 bytes"):
            approved_password_key(b"password", bytes(15), iterations=iterations)


def test_several_threads_derive_at_once():
    """An appliance opens one repository in a step while its server adds another one."""
    made: list[bytes] = []

    def derive() -> None:
        made.append(password_key(b"password", bytes(16), memory_kib=MEMORY_KIB[0], iterations=3, lanes=4))

    threads = [threading.Thread(target=derive, daemon=True) for _each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (len(made), len(set(made))) == (6, 1), "one waits for ever"
