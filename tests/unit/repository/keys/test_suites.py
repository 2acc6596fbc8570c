"""What a master key of each suite marks with."""

import hmac

import pytest
from blake3 import blake3

from holdfast.repository.crypto.keys import MasterKey, expand

MARKED = b"a checkpoint"


@pytest.mark.parametrize("suite", [1, 2])
def test_checkpoints_are_marked_by_the_hash_of_the_suite(suite):
    master = MasterKey(b"k" * 32, b"r" * 16, 1, suite)
    key = expand(master.sub("scratch"), b"checkpoint", 32)
    expected = hmac.digest(key, MARKED, "sha256") if suite == 1 else blake3(MARKED, key=key).digest()
    assert master.checkpoint_mark().of(MARKED) == expected
