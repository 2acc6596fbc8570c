"""A repository is made where somebody has left junk under its names: it is made, and its recovery code is told."""

import pytest

from holdfast.repository.format import names
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import create_repository, open_repository
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import put


@pytest.mark.parametrize("prefix", [names.KEYS, names.TENANTS])
def test_junk_under_a_name_of_ours_keeps_no_repository_from_being_made(prefix):
    store = MemoryStore()
    put(store, f"{prefix}{'ab' * 16}", b"no slot and no tenant")
    new = create_repository(store, deterministic_surroundings(1))
    assert new.recovery_code is not None
    opened = open_repository(store, Secret(text=new.recovery_code.encode()), deterministic_surroundings(2))
    assert opened.master.pin() == new.repository.master.pin()
