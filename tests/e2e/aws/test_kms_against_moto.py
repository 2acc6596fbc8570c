"""Wrapping with KMS against an unmodified moto server."""

import os
from typing import Any

import botocore.session
import pytest

from holdfast.aws.kms import KmsKeyWrapper
from holdfast.domain.errors import NotFoundError, PermissionDeniedError, UsageError, WrongKeyError

CONTEXT = {"repository": "r", "slot": "s"}


@pytest.fixture
def key_id(endpoint) -> str:
    client: Any = botocore.session.Session().create_client("kms")
    return client.create_key()["KeyMetadata"]["KeyId"]


def test_what_is_wrapped_is_unwrapped_under_the_same_context(key_id):
    wrapper, secret = KmsKeyWrapper(), os.urandom(32)
    blob = wrapper.wrap(key_id, secret, CONTEXT)
    assert secret not in blob
    assert wrapper.unwrap(blob, CONTEXT) == secret


def test_another_context_opens_nothing(key_id):
    wrapper = KmsKeyWrapper()
    blob = wrapper.wrap(key_id, b"secret", CONTEXT)
    with pytest.raises(WrongKeyError):
        wrapper.unwrap(blob, {**CONTEXT, "slot": "other"})


def test_only_the_key_that_is_named_opens(key_id):
    wrapper = KmsKeyWrapper()
    client: Any = botocore.session.Session().create_client("kms")
    other = client.create_key()["KeyMetadata"]["KeyId"]
    blob = wrapper.wrap(other, b"secret", CONTEXT)
    assert wrapper.unwrap(blob, CONTEXT, other) == b"secret"
    with pytest.raises(PermissionDeniedError):
        wrapper.unwrap(blob, CONTEXT, key_id)


def test_a_key_that_does_not_exist_is_not_found(key_id):
    with pytest.raises(NotFoundError, match="kms:Encrypt"):
        KmsKeyWrapper().wrap("00000000-0000-0000-0000-000000000000", b"secret", CONTEXT)


def test_too_much_is_refused_before_anything_is_sent():
    with pytest.raises(UsageError, match="4097"):
        KmsKeyWrapper().wrap("key", bytes(4097), CONTEXT)
