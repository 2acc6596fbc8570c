"""A worker that reads may list nothing; what others have hidden, or put something over, it reads by the task's word."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError, PermissionDeniedError
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.copy_side import CopyFrom
from holdfast.repository.delegation.copy_work import run_copy_task
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.task_form import decode_task, encode_task
from holdfast.repository.delegation.tasks import RestoreTask, VerifyTask
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import names
from holdfast.repository.health.verification.acceptance import accept_verification
from holdfast.repository.health.verification.work import run_verify_task
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.strict_store import StrictStore
from tests.faults.immutable_site import Site
from tests.unit.repository.copying.copied import Place
from tests.unit.repository.delegation.delegated import Disks, work
from tests.unit.repository.delegation.delegated_copy import READER, accepted, prepare_copy, told
from tests.unit.repository.health.verification.verified import ordered, point_of

CONTENT = bytes(range(200)) * 700


class OfWorker(StrictStore):
    """A GET of what a marker hides is followed by a LIST of versions, which is refused to a worker."""

    def versions(self, prefix):
        raise PermissionDeniedError(f"versions of {prefix}", why="a worker may not list", cure="")

    def _found(self, key, version):
        if version is None and self.bucket.current(key) is None:
            raise PermissionDeniedError(f"versions of {key}", why="a worker may not list", cure="")
        return super()._found(key, version)


@pytest.fixture
def site():
    site = Site()
    site.back_up(CONTENT)
    site.back_up(b"x" + CONTENT[1:], timedelta(days=40))
    return site


def prepared(site) -> RestoreTask:
    repository = site.open()
    point = list_points(repository)[0]
    task = prepare_restore(repository, point, [VolumeTarget(None, {})], Silence()).task
    again = decode_task(encode_task(task))
    assert isinstance(again, RestoreTask)
    assert again == task
    return again


def restored(site, task) -> bytes:
    target = MemoryTarget()
    run_restore_task(OfWorker(site.bucket), task, lambda facts: target, Silence(), site.surroundings())
    assert target.volume is not None
    return target.volume.content


def cover(site, over: bytes | None) -> None:
    for one in site.bucket.listed():
        if one.key.startswith((names.PACKS, names.INDEX)):
            if over is None:
                site.bucket.delete(one.key)
            else:
                site.bucket.put(one.key, over)


def test_a_task_of_a_whole_repository_names_no_version(site):
    task = prepared(site)
    assert task.versions == {}
    assert b"versions" not in encode_task(task)
    assert restored(site, task) == CONTENT


@pytest.mark.parametrize("over", [b"junk" * 40_000, None], ids=["junk", "marker"])
def test_a_worker_looks_behind_what_others_have_put_there(site, over):
    before = prepared(site)
    cover(site, over)
    with pytest.raises((IntegrityError, ObjectNotFoundError, PermissionDeniedError)):
        restored(site, before)
    task = prepared(site)
    assert {key.partition("/")[0] for key in task.versions} == {"packs", "index"}
    assert restored(site, task) == CONTENT


def test_behind_several_layers(site):
    for over in (b"junk", None, CONTENT, None):
        cover(site, over)
    assert restored(site, prepared(site)) == CONTENT


def verified(site, session):
    repository = site.open()
    prepared = ordered(repository, session)
    task = decode_task(encode_task(prepared.task))
    assert isinstance(task, VerifyTask)
    assert task == prepared.task
    result = run_verify_task(OfWorker(site.bucket), task, Silence(), site.surroundings())
    return task, accept_verification(repository, point_of(repository, session), result)


@pytest.mark.parametrize("over", [b"junk" * 40_000, None], ids=["junk", "marker"])
def test_a_verification_calls_nothing_damaged_for_what_stands_over_it(site, over):
    session = list_points(site.open())[0].session
    task, before = verified(site, session)
    assert task.versions == {}
    cover(site, over)
    task, after = verified(site, session)
    assert task.versions.keys() == {names.pack(one.row.pack) for one in task.packs}
    assert after.damage == ()
    assert (after.packs, after.chunks) == (before.packs, before.chunks)


def test_a_pack_of_which_no_version_is_whole_is_damaged(site):
    session = list_points(site.open())[0].session
    [order, *_more] = verified(site, session)[0].packs
    key = names.pack(order.row.pack)
    for one in [one for one in site.bucket.every_version() if one.key == key]:
        site.later(60)
        site.bucket.delete_version(key, one.id)
    for body in (b"junk", b"more junk"):
        site.bucket.put(key, body)
    assert [one.object for one in verified(site, session)[1].damage] == [key]


@pytest.mark.parametrize("over", [b"junk" * 40_000, None], ids=["junk", "marker"])
def test_a_copy_reads_behind_it_and_its_target_is_whole(site, over):
    cover(site, over)
    source, point = site.open(), list_points(site.open())[0]
    target = Place(5000, site.clock)
    here = target.open()
    origin = CopyFrom(source, "strict:", point, READER)
    made = prepare_copy(origin, here)
    task = write_task(made, 1)
    assert task.reads_versions
    assert decode_task(encode_task(task)) == task
    around = site.surroundings()
    keys = one_key(task.owner.kid, made.scratch_key)
    mine = SessionScratch(here.store, made.session, keys, task.owner.repository, task.owner.kid, around.random_bytes)
    mine.write_result(run_copy_task(mine, task, OfWorker(site.bucket), Silence(), around))
    accepted(source, here, made.session, told(here, made.session))
    assert list(target.contents().values()) == [CONTENT]


def test_a_pack_that_somebody_covered_before_it_was_accepted_is_taken_as_it_is(site):
    repository, disks = site.open(), Disks()
    prepared = prepare_backup(repository, "default", "w", [VolumeSource("a", disks.snapshot("s", CONTENT[::-1]))])
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    cover(site, b"junk")
    manifest = accept_backup(repository, prepared.session, told(repository, prepared.session))
    assert site.restores({manifest.session: CONTENT[::-1]})


@pytest.mark.parametrize("key", ["config", "packs/x", "keys/" + "0" * 32])
def test_versions_of_anything_else_are_no_task(site, key):
    cover(site, b"junk")
    task = prepared(site)
    object.__setattr__(task, "versions", {key: ("v1",)})
    with pytest.raises(FormatError):
        decode_task(encode_task(task))
