"""The contract of copies by an appliance, over the real repositories and the simulated ones."""

import threading

import pytest

from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.domain.verification import ALL_VOLUMES
from holdfast.repository.delegation import copy_side
from holdfast.repository.delegation.needed_packs import needed_packs
from tests.contracts.vaults import COPIES, NAME, TENANT, RealVault, SimulatedVault


@pytest.fixture(params=["real", "simulated"])
def vault(request, tmp_path):
    made = RealVault(tmp_path / "vault") if request.param == "real" else SimulatedVault()
    yield made
    made.close()


def ordered(vault, point):
    """Prepared: the reader, and the session of the copy."""
    with vault.repositories.copying(NAME, COPIES) as copying, vault.repositories.open(NAME) as source:
        reader, session = source.new_session(), source.new_session()
        work = copying.prepare_copy(reader, session, 1, point, TENANT, None)
        with vault.repositories.open(COPIES) as target:
            assert (work.repository_id, work.session) == (target.repository_id, session)
        assert work.copied_from
        assert work.copied_from != work.location
        return reader, session


def accepted(vault, session):
    with vault.repositories.copying(NAME, COPIES) as copying:
        return copying.accept_copy(session, 1)


def ended(vault, reader, session):
    with vault.repositories.copying(NAME, COPIES) as copying:
        copying.end_copy(reader, session)


def copies(vault):
    with vault.repositories.open(COPIES) as target:
        return target.points(TENANT)


def test_a_copy_is_the_backup_again_and_what_came_of_it_is_said_again(vault):
    point = vault.back_up(1)
    reader, session = ordered(vault, point)
    assert vault.pins() == {reader}
    assert accepted(vault, session) is None
    vault.copy(session)
    done = accepted(vault, session)
    assert done is not None
    assert (done.point, done.parent) == (session, None)
    assert accepted(vault, session) == done
    ended(vault, reader, session)
    ended(vault, reader, session)
    assert vault.pins() == set()
    with vault.repositories.open(NAME) as source:
        (original,) = source.points(TENANT)
    (copy,) = copies(vault)
    assert (copy["id"], copy["copy_of"], original["copy_of"]) == (session, point, "")
    assert [copy[name] for name in ("workload", "created", "size_bytes")] == [
        original[name] for name in ("workload", "created", "size_bytes")
    ]
    assert done.created == original["created"]
    again = accepted(vault, session)
    assert again is not None
    assert (again.point, again.created) == (done.point, done.created), "also when the scratch is gone"
    with vault.repositories.open(NAME) as source, vault.repositories.open(COPIES) as target:
        (told,), configuration = source.point_volumes(point, TENANT)
        assert target.point_volumes(session, TENANT) == ([told], configuration)


def test_a_copy_builds_upon_the_one_before(vault):
    first = ordered(vault, vault.back_up(1))
    vault.copy(first[1])
    accepted(vault, first[1])
    ended(vault, *first)
    second = ordered(vault, vault.back_up(2))
    vault.copy(second[1])
    done = accepted(vault, second[1])
    assert done is not None
    assert done.parent == first[1]


def test_a_further_attempt_goes_on_in_the_session_with_another_reader(vault):
    point = vault.back_up(1)
    first, session = ordered(vault, point)
    with vault.repositories.copying(NAME, COPIES) as copying, vault.repositories.open(NAME) as source:
        source.end_reading(first)
        second = source.new_session()
        assert copying.prepare_copy(second, session, 4, point, TENANT).session == session
        assert vault.pins() == {second}
        vault.copy(session, 4)
        done = copying.accept_copy(session, 4)
    assert done is not None
    assert done.point == session
    ended(vault, second, session)
    assert vault.pins() == set()


def test_where_the_session_has_ended_another_one_is_gone_on_with(vault):
    point = vault.back_up(1)
    reader, session = ordered(vault, point)
    with vault.repositories.open(COPIES) as target:
        assert target.abandon(session) is None
    with vault.repositories.copying(NAME, COPIES) as copying:
        other = copying.prepare_copy(reader, session, 4, point, TENANT).session
        assert other != session
        vault.copy(other, 4)
        assert copying.accept_copy(other, 4) is not None


def test_a_copy_that_is_given_up_leaves_no_point_and_no_pin(vault):
    reader, session = ordered(vault, vault.back_up(1))
    with vault.repositories.open(COPIES) as target:
        assert target.abandon(session) is None
        assert target.abandon(session) is None
    ended(vault, reader, session)
    assert vault.pins() == set()
    assert copies(vault) == []


def test_where_a_commit_came_first_it_stands(vault):
    reader, session = ordered(vault, vault.back_up(1))
    vault.copy(session)
    accepted(vault, session)
    with vault.repositories.open(COPIES) as target:
        assert target.abandon(session) == session
        done = target.accept_backup(session, 1, b"")
        assert done is not None
        assert done.point == session
    ended(vault, reader, session)


def test_a_point_that_is_no_more_is_not_copied(vault):
    point = vault.back_up(1)
    _reader, session = ordered(vault, point)
    vault.copy(session)
    vault.retire(point)
    with pytest.raises(NotFoundError):
        accepted(vault, session)
    with vault.repositories.copying(NAME, COPIES) as copying, pytest.raises(NotFoundError):
        copying.prepare_copy("a" * 32, "b" * 32, 1, point, TENANT, None)


def test_a_look_finds_no_damage_in_a_whole_point_and_all_of_it_in_one_that_is_no_more(vault):
    point = vault.back_up(1)
    with vault.repositories.open(NAME) as repository:
        assert repository.damage_of(point, TENANT, {}) == ()
        assert repository.damage_of(point, TENANT, {"packs/ab/" + "ab" * 16: "it does not open"}) == ()
        repository.retire(point, TENANT)
        (found,) = repository.damage_of(point, TENANT, {})
    assert (point in found.object, found.volumes) == (True, ALL_VOLUMES)


def test_nothing_is_copied_into_itself(vault):
    with pytest.raises(UsageError, match="one"), vault.repositories.copying(NAME, "again"):
        pass


def waits_for_one_alone(vault, deed, slow, other):
    """Whether it waits for the turn of one repository, and keeps nobody waiting in the other one."""
    with vault.repositories.open(slow) as held, vault.repositories.open(other) as free:
        doing = threading.Thread(target=deed)
        asking = threading.Thread(target=free.points, args=(TENANT,))
        with held.turn():
            doing.start()
            doing.join(0.5)
            asking.start()
            asking.join(120)
            waits = (doing.is_alive(), asking.is_alive()) == (True, False)
        doing.join()
        asking.join()
    return waits


@pytest.mark.parametrize(("slow", "other"), [(NAME, COPIES), (COPIES, NAME)])
def test_a_copy_keeps_nobody_waiting_in_one_repository_for_the_other(tmp_path, slow, other):
    vault = RealVault(tmp_path / "vault")
    point, made = vault.back_up(1), []
    assert waits_for_one_alone(vault, lambda: made.append(ordered(vault, point)), slow, other)
    ((reader, session),) = made
    vault.copy(session)
    assert waits_for_one_alone(vault, lambda: accepted(vault, session), slow, other)
    assert waits_for_one_alone(vault, lambda: ended(vault, reader, session), slow, other)
    vault.close()


def test_where_the_data_lies_is_looked_for_in_nobody_s_turn(tmp_path, monkeypatch):
    vault = RealVault(tmp_path / "vault")
    point, answered = vault.back_up(1), []

    def watched(*words):
        for name in (NAME, COPIES):
            with vault.repositories.open(name) as repository:
                asking = threading.Thread(target=lambda: answered.append(len(repository.points(TENANT))))
                asking.start()
                asking.join(120)
        return needed_packs(*words)

    monkeypatch.setattr(copy_side, "needed_packs", watched)
    ordered(vault, point)
    assert answered == [1, 0]
    vault.close()
