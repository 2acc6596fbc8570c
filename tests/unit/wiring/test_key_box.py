"""Secrets at rest: sealed for one purpose, under a key file of its owner's alone or one that only KMS unwraps."""

import pytest

from holdfast.domain.errors import IntegrityError, PermissionDeniedError, WrongKeyError
from holdfast.domain.secret_box import SEALING_CONTEXT
from holdfast.wiring.key_box import key_box


class ReversingService:
    """A key service that wraps by turning round."""

    def wrap(self, key_id, plaintext, context):
        assert context == SEALING_CONTEXT
        return key_id.encode() + plaintext[::-1]

    def unwrap(self, blob, context, key_id=None):
        assert context == SEALING_CONTEXT
        if key_id is not None and blob[:-32] != key_id.encode():
            raise WrongKeyError("it is another key", why="the blob says so", cure="none")
        return blob[-32:][::-1]


SERVICE = ReversingService()


@pytest.mark.parametrize("kms_key", [None, "alias/holdfast"])
def test_what_is_sealed_opens_again_with_the_same_file(tmp_path, kms_key):
    path = tmp_path / "key"
    sealed = key_box(path, kms_key, SERVICE).seal(b"a secret", "password")
    assert b"a secret" not in sealed
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_box(path, None, SERVICE).open(sealed, "password") == b"a secret"


def test_a_wrapped_key_does_not_lie_there_in_clear(tmp_path):
    class Remembering(ReversingService):
        def wrap(self, key_id, plaintext, context):
            self.key = plaintext
            return super().wrap(key_id, plaintext, context)

    service = Remembering()
    key_box(tmp_path / "key", "alias/holdfast", service)
    content = (tmp_path / "key").read_bytes()
    assert service.key not in content
    assert service.key.hex().encode() not in content


def test_another_purpose_key_or_byte_does_not_open(tmp_path):
    box = key_box(tmp_path / "key", None, SERVICE)
    sealed = box.seal(b"a secret", "password")
    with pytest.raises(IntegrityError):
        box.open(sealed, "configuration")
    with pytest.raises(IntegrityError):
        key_box(tmp_path / "other", None, SERVICE).open(sealed, "password")
    for position in range(5, len(sealed)):
        with pytest.raises(IntegrityError):
            box.open(sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :], "password")


def test_files_that_hold_no_key_are_refused(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(WrongKeyError):
        key_box(path, None, SERVICE)
    path.chmod(0o644)
    with pytest.raises(PermissionDeniedError):
        key_box(path, None, SERVICE)


def test_a_kms_key_that_is_named_later_is_refused(tmp_path):
    key_box(tmp_path / "key", None, SERVICE)
    with pytest.raises(WrongKeyError):
        key_box(tmp_path / "key", "alias/holdfast", SERVICE)


def test_what_travels_opens_where_the_same_kms_key_may_be_used(tmp_path):
    sealed = key_box(tmp_path / "lost", "alias/holdfast", SERVICE).seal_to_travel(b"a secret", "tags")
    heir = key_box(tmp_path / "heir", "alias/holdfast", SERVICE)
    assert heir.open_travelled(sealed, "tags") == b"a secret"
    assert heir.open_travelled(heir.seal_to_travel(b"of its own", "tags"), "tags") == b"of its own"
    with pytest.raises(IntegrityError):
        heir.open_travelled(sealed, "another purpose")
    with pytest.raises(WrongKeyError):
        key_box(tmp_path / "stranger", "alias/other", SERVICE).open_travelled(sealed, "tags")
    with pytest.raises(WrongKeyError):
        key_box(tmp_path / "clear", None, SERVICE).open_travelled(sealed, "tags")
    for position in range(len(sealed)):
        with pytest.raises((IntegrityError, WrongKeyError)):
            heir.open_travelled(sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :], "tags")


def test_what_travels_from_a_key_file_opens_with_a_copy_of_it(tmp_path):
    sealed = key_box(tmp_path / "key", None, SERVICE).seal_to_travel(b"a secret", "tags")
    (tmp_path / "copy").write_bytes((tmp_path / "key").read_bytes())
    (tmp_path / "copy").chmod(0o600)
    assert key_box(tmp_path / "copy", None, SERVICE).open_travelled(sealed, "tags") == b"a secret"
    with pytest.raises(IntegrityError):
        key_box(tmp_path / "other", None, SERVICE).open_travelled(sealed, "tags")
    with pytest.raises(IntegrityError):
        key_box(tmp_path / "wrapped", "alias/holdfast", SERVICE).open_travelled(sealed, "tags")
