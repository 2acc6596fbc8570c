"""Who has the master key of an earlier epoch and may write puts another manifest in a point's place: it is refused."""

import dataclasses

import pytest

from holdfast.domain.errors import FormatError
from holdfast.repository.format import envelope
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import manifest as manifest_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository, put
from tests.faults.world import DISK, FIRST, back_up


def test_a_manifest_that_the_ledger_does_not_know_is_no_point():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    rotate(small.open(deterministic_surroundings(2)), small.secret)
    repository = small.open(deterministic_surroundings(3))
    back_up(repository, DISK, FIRST, "s1")
    [point] = list_points(repository)
    manifest = load_manifest(repository, point)
    holes = tuple(dataclasses.replace(volume, root=None) for volume in manifest.volumes)
    old = repository.sealed.epochs.of(1)
    forged = envelope.seal(
        Kind.MANIFEST,
        manifest_form.encode(dataclasses.replace(manifest, volumes=holes, packs=(), index_runs=())),
        kind_key=old.sub("point"),
        object_key=point.key,
        repository=old.repository,
        kid=1,
        salt=bytes(envelope.SALT_BYTES),
        suite=old.suite,
    )
    put(small.store, point.key, forged)
    repository = small.open(deterministic_surroundings(4))
    with pytest.raises(FormatError, match="not what the ledger says"):
        load_manifest(repository, point)
    assert point.key in {damage.object for damage in check_repository(repository, 0, Silence()).damage}
    state = ledger_form.decode_checkpoint(ledger_form.encode_checkpoint(repository.ledger.state))
    assert state.live[point.session]["manifest"] == repository.ledger.state.live[point.session]["manifest"]
