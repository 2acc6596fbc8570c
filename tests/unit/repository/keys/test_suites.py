"""What a master key of each suite marks with, and what a worker is told whose keys do not suffice."""

import hmac

import pytest
from blake3 import blake3

from holdfast.domain.errors import ChunksMovedError
from holdfast.repository.crypto.keys import MasterKey, SessionKeys, expand

MARKED = b"a checkpoint"


@pytest.mark.parametrize("suite", [1, 2])
def test_checkpoints_are_marked_by_the_hash_of_the_suite(suite):
    master = MasterKey(b"k" * 32, b"r" * 16, 1, suite)
    key = expand(master.sub("scratch"), b"checkpoint", 32)
    expected = hmac.digest(key, MARKED, "sha256") if suite == 1 else blake3(MARKED, key=key).digest()
    assert master.checkpoint_mark().of(MARKED) == expected


def test_who_has_no_data_key_of_a_session_is_told_why():
    keys = SessionKeys(None, b"m" * 32)
    keys.of_pack(b"p" * 16, holds_maps=True)
    with pytest.raises(ChunksMovedError, match=f"data pack {(b'p' * 16).hex()} is not held here") as told:
        keys.of_pack(b"p" * 16, holds_maps=False)
    assert told.value.why == "a worker holds the data keys of the sessions that its task names, and no others"
    assert told.value.cure == "prepare the task again: its chunks have moved since"
