"""What may be opened: names of workloads, ids that nobody has used, promises where they can be kept."""

from datetime import UTC, datetime

import pytest

from holdfast.domain.errors import ConflictError, IntegrityError, UsageError
from holdfast.repository.format import names
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.sessions.session import end_session, is_repacking, open_repacking, open_session
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository, put
from tests.faults.world import publish_plan


@pytest.fixture
def repository() -> Repository:
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    return small.open(deterministic_surroundings(2))


@pytest.mark.parametrize("name", ["w", "a b", "ö" * 127 + "o", "o" * 255])
def test_a_workload_has_a_name_of_printable_text(repository, name):
    assert open_session(repository, DEFAULT_TENANT, name).workload == name


@pytest.mark.parametrize("name", ["", " ", " w", "w ", "a\nb", "a\0", "ö" * 128, "o" * 256])
def test_what_is_no_name_for_a_workload_opens_nothing(repository, name):
    with pytest.raises(UsageError) as refused:
        open_session(repository, DEFAULT_TENANT, name)
    assert str(refused.value) == f"{name!r} is no name for a workload (it must be 1 to 255 bytes of printable text)"
    assert refused.value.cure == "choose another name"
    assert not repository.ledger.state.open


def test_of_two_who_open_a_session_one_does(repository):
    opened = open_session(repository, DEFAULT_TENANT, "w", b"s" * 16)
    record = repository.ledger.state.open[b"s" * 16]
    assert (record["point"], record["time"]) == (opened.point_key, opened.started)
    with pytest.raises(ConflictError, match=f"session {'73' * 16} was opened already"):
        open_session(repository, DEFAULT_TENANT, "w", b"s" * 16)
    end_session(repository, opened.session, opened.point_key)
    assert not repository.ledger.state.open


def test_nothing_is_promised_where_who_may_delete_may_delete_every_point(repository):
    with pytest.raises(UsageError, match=r"promises nothing \(it is not immutable: who may delete in it") as refused:
        open_session(repository, DEFAULT_TENANT, "w", keep_until=datetime(2030, 1, 1, tzinfo=UTC))
    assert refused.value.cure.startswith("leave the promise out, or make a repository with")
    assert not repository.ledger.state.open


def test_a_repacking_session_is_told_by_its_key(repository):
    moving, ordinary = open_repacking(repository, DEFAULT_TENANT), open_session(repository, DEFAULT_TENANT, "w")
    assert is_repacking(repository, moving.point_key)
    assert not is_repacking(repository, ordinary.point_key)


@pytest.mark.parametrize("drawn", [None, b"s" * 16])
def test_where_the_plan_does_not_open_only_who_comes_back_with_the_id_leaves_a_session_open(repository, drawn):
    publish_plan(repository, ())
    put(repository.store, names.plan(1), b"junk")
    with pytest.raises(IntegrityError) as refused:
        open_session(repository, DEFAULT_TENANT, "w", drawn)
    assert refused.value.objects == (names.plan(1),)
    assert list(repository.ledger.refresh().open) == ([] if drawn is None else [drawn])
