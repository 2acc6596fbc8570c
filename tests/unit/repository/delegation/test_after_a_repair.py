"""A worker restores what was repaired: it is given the keys of the sessions that hold the copies."""

from collections.abc import Sequence

import pytest

from holdfast.repository.format import names
from holdfast.repository.format import pack as pack_form
from holdfast.repository.health.repair.quarries import of_the_source
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.progress import Silence
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume, sample
from holdfast.testing.small_repository import make_small_repository, put
from tests.unit.repository.delegation.delegated import Disks, back_up, restore

ROOT = sample(4 * 512 * 1024)


def spoil(body: bytes) -> bytes:
    """A bit of every chunk."""
    spoiled = bytearray(body)
    for at in range(pack_form.HEADER_BYTES, pack_form.FOOTER.unpack(body[-pack_form.FOOTER.size :])[0], 8):
        spoiled[at] ^= 1
    return bytes(spoiled)


@pytest.mark.parametrize("gone", [False, True])
def test_a_worker_restores_from_the_copies(gone):
    small = make_small_repository(MemoryStore(), deterministic_surroundings(5))
    disks = Disks()
    manifest, _result = back_up(small.open(deterministic_surroundings(6)), disks, {"root": disks.snapshot("s1", ROOT)})
    for key in data_packs(small.store):
        if gone:
            small.store.delete(key)
        else:
            put(small.store, key, spoil(bytes(small.store.get(key))))
    source = MemorySource(MemoryVolume.of(ROOT), "s1")
    repository = small.open(deterministic_surroundings(7))
    assert repair(repository, of_the_source(source, manifest.session, "root"), Silence()).left == ()
    assert restore(small.open(deterministic_surroundings(8)), manifest.session, "root") == {"root": ROOT}


def data_packs(store) -> Sequence[str]:
    packs = [info.key for info in store.list(names.PACKS)]
    return [key for key in packs if not read_header(store, bytes.fromhex(key[-32:])).holds_maps]
