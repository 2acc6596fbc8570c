"""Tasks and results survive being written, and whatever is none is refused as such; sealed, they open by SS alone."""

import dataclasses
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import ConflictError, FormatError, IntegrityError, UnsupportedFormatError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.crypto.keyed_hash import SUITES
from holdfast.repository.crypto.keys import EpochKeys
from holdfast.repository.delegation.results import (
    BackupResult,
    BadPack,
    ReadPack,
    RestoredVolume,
    RestoreResult,
    VerifyResult,
    decode_result,
    encode_result,
)
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.task_form import decode_task, encode_task
from holdfast.repository.delegation.tasks import (
    BackupTask,
    CopySource,
    PackOrder,
    RestoreOrder,
    RestoreTask,
    TenantPart,
    VerifyTask,
    VolumeOrder,
    VolumeToCopy,
)
from holdfast.repository.format import envelope, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.origin import Backup
from holdfast.repository.format.places import PackRow
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.parents import Method
from holdfast.repository.writing.terms import IndexRunOffer, WritingTerms
from holdfast.testing.deterministic_surroundings import SeededBytes
from holdfast.testing.small_repository import put
from tests.unit.repository.format import format_strategies as some

REFUSED = (IntegrityError, UnsupportedFormatError)
SESSION = b"s" * 16

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | some.texts
facts = st.dictionaries(
    some.texts, plain | st.lists(plain, max_size=2) | st.dictionaries(some.texts, plain, max_size=2), max_size=3
)
numbers = st.dictionaries(some.texts, st.integers(0, 2**62), max_size=2)
attempts = st.integers(1, 9999)
epoch_keys = st.builds(EpochKeys, some.keys, some.keys)


@st.composite
def owners(draw: st.DrawFn) -> TenantPart:
    """Of a repository with one key epoch or several."""
    kid = draw(st.integers(1, 3))
    epochs = {epoch: draw(epoch_keys) for epoch in range(1, kid + 1)}
    suite = draw(st.sampled_from(SUITES))
    return TenantPart(draw(some.ids), suite, kid, draw(some.ids), draw(some.keys), epochs)


parents = some.volumes.map(lambda volume: dataclasses.replace(volume, block_size_bytes=BLOCK_SIZE_BYTES))
orders = st.builds(VolumeOrder, some.texts, facts, st.none() | parents, st.none() | st.integers(0, 2**60))


@st.composite
def backup_tasks(draw: st.DrawFn) -> BackupTask:
    session = draw(some.ids)
    terms = st.builds(
        WritingTerms,
        session=st.just(session),
        workload_id=some.ids,
        plan_epoch=some.naturals,
        condemned=st.frozensets(some.ids),
        index_runs=st.lists(st.builds(IndexRunOffer, some.texts, some.naturals, st.booleans()), max_size=3).map(tuple),
        level=st.sampled_from(CompressionLevel),
    )
    return BackupTask(
        owner=draw(owners()),
        session=session,
        attempt=draw(attempts),
        data_key=draw(some.keys),
        pack_size_bytes=draw(st.integers(0, 2**28)),
        workload=draw(some.texts),
        terms=draw(terms),
        volumes=tuple(draw(st.lists(orders, min_size=1, max_size=3))),
        parent=draw(st.none() | some.ids),
        further_runs=tuple(draw(st.lists(some.texts, max_size=2))),
        limits=draw(numbers),
        proof=draw(some.digests),
    )


@st.composite
def copy_tasks(draw: st.DrawFn) -> BackupTask:
    """A backup's half and a restore's."""
    task = draw(backup_tasks())
    source = st.builds(
        CopySource,
        location=some.texts,
        owner=owners(),
        point=some.ids,
        backup=st.builds(Backup, some.ids, some.ids),
        reader=some.ids,
        scratch_key=some.keys,
        data_keys=st.dictionaries(some.ids, some.keys, max_size=3),
        index_runs=st.lists(some.texts, max_size=3).map(tuple),
        volumes=st.just(
            tuple(
                VolumeToCopy(dataclasses.replace(draw(some.volumes), name=order.name), draw(st.none() | some.volumes))
                for order in task.volumes
            )
        ),
        earlier_stands=st.booleans(),
    )
    return dataclasses.replace(
        task, copied_from=draw(source), archive_class=draw(st.none() | st.sampled_from(ArchiveClass))
    )


restore_tasks = st.builds(
    RestoreTask,
    owner=owners(),
    session=some.ids,
    attempt=attempts,
    data_keys=st.dictionaries(some.ids, some.keys, max_size=3),
    index_runs=st.lists(some.texts, max_size=3).map(tuple),
    volumes=st.lists(st.builds(RestoreOrder, some.volumes, facts), min_size=1, max_size=3).map(tuple),
    limits=numbers,
    archive_class=st.none() | st.sampled_from(ArchiveClass),
    proof=some.digests,
)
pack_orders = st.builds(PackOrder, st.builds(PackRow, some.u32s, some.ids, some.ids), some.u32s, some.digests)
verify_tasks = st.builds(
    VerifyTask,
    owner=owners(),
    session=some.ids,
    attempt=attempts,
    data_keys=st.dictionaries(some.ids, some.keys, max_size=3),
    packs=st.lists(pack_orders, max_size=3, unique_by=lambda one: one.row.pack).map(tuple),
    limits=numbers,
    proof=some.digests,
)
verify_results = st.builds(
    VerifyResult,
    session=some.ids,
    attempt=attempts,
    packs=st.lists(st.builds(ReadPack, some.ids, some.u32s, some.u32s), max_size=3).map(tuple),
    damage=st.lists(st.builds(BadPack, some.ids, some.texts, st.frozensets(some.digests, max_size=2)), max_size=2).map(
        tuple
    ),
    statistics=numbers,
    warnings=st.lists(some.texts, max_size=2).map(tuple),
)
backup_results = st.builds(
    BackupResult,
    session=some.ids,
    attempt=attempts,
    volumes=st.lists(some.volumes, max_size=2).map(tuple),
    methods=st.lists(st.sampled_from(Method), max_size=2).map(tuple),
    packs=st.lists(st.builds(StoredPack, some.ids, st.booleans(), some.u32s, some.digests), max_size=3).map(tuple),
    loaded_runs=st.lists(some.texts, max_size=2).map(tuple),
    statistics=numbers,
    warnings=st.lists(some.texts, max_size=2).map(tuple),
)
restore_results = st.builds(
    RestoreResult,
    session=some.ids,
    attempt=attempts,
    volumes=st.lists(st.builds(RestoredVolume, some.texts, st.integers(0, 2**60), facts), max_size=2).map(tuple),
    statistics=numbers,
    warnings=st.lists(some.texts, max_size=2).map(tuple),
)

FORMS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "backup task": (backup_tasks(), encode_task, decode_task),
    "copy task": (copy_tasks(), encode_task, decode_task),
    "restore task": (restore_tasks, encode_task, decode_task),
    "verify task": (verify_tasks, encode_task, decode_task),
    "verify result": (verify_results, encode_result, decode_result),
    "backup result": (backup_results, encode_result, decode_result),
    "restore result": (restore_results, encode_result, decode_result),
}


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_form_survives(name, data):
    strategy, encode, decode = FORMS[name]
    value = data.draw(strategy)
    encoded = encode(value)
    assert decode(encoded) == value
    assert encode(decode(encoded)) == encoded
    later = cbor2.dumps({**cbor2.loads(encoded), "of a later version": 1}, canonical=True)
    assert decode(later) == value


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_field_missing_or_of_another_type_is_refused(name, data):
    strategy, encode, decode = FORMS[name]
    fields = cbor2.loads(encode(data.draw(strategy)))
    key = data.draw(st.sampled_from(sorted(fields.keys() - {"parent", "storage_class", "suite"})))
    without = {other: value for other, value in fields.items() if other != key}
    with pytest.raises(REFUSED):
        decode(cbor2.dumps(without, canonical=True))
    other: object = [] if isinstance(fields[key], dict) else {}
    with pytest.raises(REFUSED):
        decode(cbor2.dumps({**fields, key: other}, canonical=True))


@pytest.mark.parametrize("decode", [decode_task, decode_result])
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(decode, data):
    with pytest.raises(REFUSED):
        decode(data)


def example() -> BackupTask:
    owner = TenantPart(b"r" * 16, 2, 1, b"t" * 16, b"i" * 32, {1: EpochKeys(b"m" * 32, b"x" * 32)})
    terms = WritingTerms(SESSION, b"w" * 16, 0, frozenset(), (), CompressionLevel.DEFAULT)
    return BackupTask(
        owner, SESSION, 1, b"d" * 32, 1 << 24, "web", terms, (VolumeOrder("root", {"kind": "ebs"}),), None
    )


@pytest.mark.parametrize(
    "lie",
    [
        {"work": "mischief"},
        {"level": 4},
        {"attempt": 10_000},
        {"volumes": []},
        {"volumes": [{"name": "a", "source": {}, "parent": None, "size": None}] * 1025},
        {"volumes": [{"name": "a", "source": {"a": {"b": {"c": {"d": {"e": 1}}}}}, "parent": None, "size": None}]},
        {"volumes": [{"name": "a", "source": {"a": b"bytes"}, "parent": None, "size": None}]},
        {"data_key": b"short"},
        {"older": b"short"},
        {"suite": 3},
        {"storage_class": "STANDARD"},
        {"work": "copy"},
        {"limits": {"a": "many"}},
    ],
)
def test_what_no_task_holds_is_refused(lie):
    fields = cbor2.loads(encode_task(example()))
    decode_task(cbor2.dumps(fields))
    with pytest.raises(FormatError):
        decode_task(cbor2.dumps({**fields, **lie}))


@settings(max_examples=10, deadline=None)
@given(copy_tasks())
def test_a_copy_whose_halves_have_other_volumes_is_refused(task):
    source = dataclasses.replace(task.copied_from, volumes=(*task.copied_from.volumes, task.copied_from.volumes[0]))
    with pytest.raises(FormatError, match="belong together"):
        decode_task(encode_task(dataclasses.replace(task, copied_from=source)))


def test_a_later_version_is_told_from_damage():
    for encoded, decode in (
        (encode_task(example()), decode_task),
        (encode_result(RestoreResult(SESSION, 1, (), {})), decode_result),
    ):
        with pytest.raises(UnsupportedFormatError):
            decode(cbor2.dumps({**cbor2.loads(encoded), "format": 2}))


def scratch(store: MemoryStore, key: bytes = b"k" * 32, session: bytes = SESSION) -> SessionScratch:
    return SessionScratch(store, session, one_key(1, key), b"r" * 16, 1, SeededBytes(1))


def test_scratch_opens_with_its_own_key_alone():
    store = MemoryStore()
    scratch(store).write_task(example())
    assert scratch(store).read_task(1) == example()
    with pytest.raises(IntegrityError):
        scratch(store, b"o" * 32).read_task(1)


def test_a_task_in_anothers_place_is_refused():
    store = MemoryStore()
    scratch(store).write_task(example())
    data = bytes(store.get(names.task(SESSION, 1)))
    put(store, names.task(SESSION, 2), data)
    with pytest.raises(IntegrityError):
        scratch(store).read_task(2)
    other = b"o" * 16
    put(store, names.task(other, 1), data)
    with pytest.raises(IntegrityError):
        scratch(store, session=other).read_task(1)
    put(store, names.result(SESSION, 1), data)
    with pytest.raises(IntegrityError):
        scratch(store).read_result(1)


def test_a_result_is_left_once_and_an_equal_one_is_our_own():
    store = MemoryStore()
    result = RestoreResult(SESSION, 1, (), {"get": 1})
    scratch(store).write_result(result)
    scratch(store).write_result(result)
    with pytest.raises(ConflictError):
        scratch(store).write_result(dataclasses.replace(result, statistics={"get": 2}))
    assert scratch(store).read_result(1) == result


def test_a_body_that_names_another_attempt_is_refused():
    """Whoever holds SS can seal anything under any name of the session; what is inside must fit the name."""
    store = MemoryStore()
    for body, kind, name in (
        (encode_task(dataclasses.replace(example(), attempt=2)), Kind.TASK, names.task(SESSION, 1)),
        (encode_result(RestoreResult(SESSION, 2, (), {})), Kind.RESULT, names.result(SESSION, 1)),
    ):
        data = envelope.seal(
            kind, body, kind_key=scratch(store).keys(1), object_key=name, repository=b"r" * 16, kid=1, salt=bytes(32)
        )
        put(store, name, data)
    with pytest.raises(FormatError):
        scratch(store).read_task(1)
    with pytest.raises(FormatError):
        scratch(store).read_result(1)


def test_keys_of_scratch_are_objects_of_the_repository():
    assert names.is_object(names.task(SESSION, 1))
    assert names.is_object(names.result(SESSION, 9999))
    assert not names.is_object(names.scratch(SESSION) + "task-1")
