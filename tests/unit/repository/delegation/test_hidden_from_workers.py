"""A restore worker may list nothing; what others have hidden, or put something over, it reads by the task's word."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError, PermissionDeniedError
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore
from holdfast.repository.delegation.task_form import decode_task, encode_task
from holdfast.repository.delegation.tasks import RestoreTask
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import names
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.strict_store import StrictStore
from tests.faults.immutable_site import Site

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


@pytest.mark.parametrize("key", ["config", "packs/x", "keys/" + "0" * 32])
def test_versions_of_anything_else_are_no_task(site, key):
    cover(site, b"junk")
    task = prepared(site)
    object.__setattr__(task, "versions", {key: ("v1",)})
    with pytest.raises(FormatError):
        decode_task(encode_task(task))
