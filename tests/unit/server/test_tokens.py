"""Tokens: their form, whose they are, and which are refused."""

import re
from datetime import timedelta

import pytest

from holdfast.domain.errors import NotAuthenticatedError
from holdfast.server.ports.records import TokenKind


def test_a_token_is_shown_once_and_kept_as_its_hash(small):
    token = small.parts.tokens.issue(TokenKind.ADMIN)
    assert re.fullmatch(r"hf_[0-9a-f]{8}_[0-9A-Za-z]{43}", token)
    assert small.server.authenticate(token).kind == TokenKind.ADMIN
    secret = token.split("_")[2].encode()
    assert all(secret not in file.read_bytes() for file in small.folder.glob("server.sqlite*"))


def test_one_letter_off_is_refused(small):
    token = small.parts.tokens.issue(TokenKind.ADMIN)
    last = "1" if token[-1] != "1" else "2"
    for wrong in ("", "hf_", token[:-1], token[:-1] + last, "hf_00000000_" + token.split("_")[2], token + "\n"):
        with pytest.raises(NotAuthenticatedError):
            small.server.authenticate(wrong)


def test_expired_and_revoked_ones_are_refused(small):
    short = small.parts.tokens.issue(TokenKind.ADMIN, lifetime=timedelta(minutes=1))
    bound = small.parts.tokens.issue(TokenKind.SERVICE, "a")
    assert small.server.authenticate(bound).appliance == "a"
    small.later(60)
    small.parts.tokens.revoke(bound)
    for token in (short, bound):
        with pytest.raises(NotAuthenticatedError):
            small.server.authenticate(token)


def test_an_administrator_has_one_when_all_others_are_revoked(small):
    tokens = small.parts.tokens
    former, bound, expired = (
        tokens.issue(TokenKind.ADMIN),
        tokens.issue(TokenKind.SERVICE, "a"),
        tokens.issue(TokenKind.ADMIN, lifetime=timedelta(minutes=1)),
    )
    small.later(60)
    assert [tokens.is_admin(text) for text in (former, bound, expired, "hf_")] == [True, False, False, False]
    newest = tokens.issue(TokenKind.ADMIN)
    assert tokens.revoke_other_admins(newest) == 2
    assert tokens.revoke_other_admins(newest) == 0
    assert [tokens.is_admin(text) for text in (former, newest)] == [False, True]
    assert small.server.authenticate(bound).appliance == "a"
