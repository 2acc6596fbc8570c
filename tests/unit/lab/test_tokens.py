"""Tokens are good for what they were issued for, for as long as AWS says, and cannot be made up."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.lab.tokens import (
    BLOCK_TOKEN_SECONDS,
    PAGE_TOKEN_SECONDS,
    InvalidTokenError,
    TokenIssuer,
    load_or_make_key,
)

DIGEST = bytes(range(32))
# API reference: pattern and length of BlockToken and PageToken.
TOKEN = re.compile(r"[A-Za-z0-9+/=]{1,256}")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def issuer(clock):
    return TokenIssuer(bytes(32), clock)


def test_block_token_leads_back_to_the_digest(issuer):
    token = issuer.block_tokens("snap-1")(7, DIGEST)
    assert TOKEN.fullmatch(token)
    assert issuer.digest_of_block(token, "snap-1", 7) == DIGEST


def test_page_token_leads_back_to_the_block(issuer):
    token = issuer.page_token("blocks|snap-1", 2**27)
    assert TOKEN.fullmatch(token)
    assert issuer.page_start(token, "blocks|snap-1") == 2**27


@pytest.mark.parametrize(("snapshot_id", "number"), [("snap-2", 7), ("snap-1", 8), ("snap-", 17)])
def test_block_token_is_bound_to_its_block(issuer, snapshot_id, number):
    token = issuer.block_tokens("snap-1")(7, DIGEST)
    with pytest.raises(InvalidTokenError):
        issuer.digest_of_block(token, snapshot_id, number)


def test_tokens_expire(issuer, clock):
    token, page = issuer.block_tokens("snap-1")(7, DIGEST), issuer.page_token("x", 1)
    clock.seconds += PAGE_TOKEN_SECONDS
    assert issuer.page_start(page, "x") == 1
    clock.seconds += 1
    with pytest.raises(InvalidTokenError, match="expired"):
        issuer.page_start(page, "x")
    clock.seconds += BLOCK_TOKEN_SECONDS - PAGE_TOKEN_SECONDS - 1
    assert issuer.digest_of_block(token, "snap-1", 7) == DIGEST
    clock.seconds += 1
    with pytest.raises(InvalidTokenError, match="expired"):
        issuer.digest_of_block(token, "snap-1", 7)


@given(st.text(max_size=300) | st.binary(max_size=100).map(lambda raw: raw.hex()))
def test_nothing_made_up_is_a_token(text):
    issuer = TokenIssuer(bytes(32), Clock())
    with pytest.raises(InvalidTokenError):
        issuer.digest_of_block(text, "snap-1", 7)
    with pytest.raises(InvalidTokenError):
        issuer.page_start(text, "x")


def test_block_token_is_no_page_token(issuer):
    with pytest.raises(InvalidTokenError):
        issuer.page_start(issuer.block_tokens("snap-1")(7, DIGEST), "snap-1")


def test_key_is_made_once_and_kept(tmp_path):
    key = load_or_make_key(tmp_path / "key")
    assert len(key) == 32
    assert load_or_make_key(tmp_path / "key") == key
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
