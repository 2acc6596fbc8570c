"""The records of an appliance over every database that may hold them."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.appliance.ports.records import OpenBackup, OpenCopy, SetAside
from holdfast.database.appliance_records import appliance_records
from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.policy import BackupTarget, Retention, Schedule
from holdfast.domain.restore_point import SnapshotPlace
from holdfast.domain.session import State, TaskResult
from holdfast.protocol.encoding import to_document
from holdfast.testing.sample_records import (
    hex_id,
    ledger_row,
    line,
    moment,
    point,
    policy,
    session,
    task,
    workload,
)
from tests.contracts.calls import pages, run_all


def timed(name, cron):
    return replace(policy(name), backup=BackupTarget("vault", Retention(7), Schedule(cron)))


@pytest.fixture
def records(open_database):
    return appliance_records(open_database("appliance"))


# Seen from then no clock of these tests has run ahead.
AFTER_ALL = moment(10_000)


def test_accounts(records):
    records.accounts.put(Account("b", "arn:b", external_id="e"))
    records.accounts.put(Account("a"))
    records.accounts.put(Account("a", account_id="123456789012"))
    assert records.accounts.get("a").account_id == "123456789012"
    assert [one.name for one in records.accounts.all()] == ["a", "b"]
    assert records.accounts.get("b").external_id == "e"
    records.accounts.remove("a")
    for call in (records.accounts.get, records.accounts.remove):
        with pytest.raises(NotFoundError):
            call("a")


def test_repository_keeps_a_password_that_is_not_given_again(records):
    vault = RepositoryDefinition("vault", "s3://bucket/prefix")
    records.repositories.put(vault, b"\x00sealed\xff")
    records.repositories.put(replace(vault, description="changed"), None)
    assert records.repositories.sealed_password("vault") == b"\x00sealed\xff"
    assert records.repositories.get("vault").description == "changed"
    records.repositories.put(RepositoryDefinition("kms", "s3://b", kms=True), None)
    assert records.repositories.sealed_password("kms") is None
    with pytest.raises(NotFoundError):
        records.repositories.sealed_password("none")


def test_policies_come_by_priority_then_age_and_stay_as_they_were(records):
    for number, (name, priority) in enumerate([("late", 1), ("b", 5), ("a", 5)]):
        records.policies.put(policy(name, priority), moment(number))
    assert [one.policy.name for one in records.policies.all()] == ["late", "b", "a"]
    records.policies.enable("b", False, moment(10))
    records.policies.put(policy("b", 0), moment(20))
    stored = records.policies.get("b")
    assert (stored.enabled, stored.created_at, stored.changed_at) == (False, moment(1), moment(20))
    assert records.policies.all()[0].policy.name == "b"
    with pytest.raises(NotFoundError):
        records.policies.enable("none", True, moment(0))


def test_what_a_policy_owes_outlives_a_change_of_anything_but_its_moments(records):
    put, get = records.policies.put, records.policies.get
    put(timed("a", "0 12 * * *"), moment(1))
    put(replace(timed("a", "0 12 * * *"), description="x", priority=7), moment(2))
    records.policies.enable("a", True, moment(3))
    assert (get("a").in_force_since, get("a").changed_at) == (moment(1), moment(3))
    put(timed("a", "0 13 * * *"), moment(4))
    assert get("a").in_force_since == moment(4)
    records.policies.enable("a", False, moment(5))
    records.policies.enable("a", True, moment(6))
    assert get("a").in_force_since == moment(6)


def test_a_moment_falls_due_once(records):
    assert records.policies.fell_due("daily", "backup") is None
    assert records.policies.remember_due("daily", "backup", moment(60), AFTER_ALL)
    assert not records.policies.remember_due("daily", "backup", moment(60), AFTER_ALL)
    assert not records.policies.remember_due("daily", "backup", moment(59), AFTER_ALL)
    assert records.policies.remember_due("daily", "backup", moment(61), AFTER_ALL)
    assert records.policies.remember_due("daily", "snapshot", moment(60), AFTER_ALL)
    assert records.policies.fell_due("daily", "backup") == moment(61)


def test_a_moment_that_a_clock_remembered_which_ran_ahead_counts_for_none(records):
    assert records.policies.remember_due("daily", "backup", moment(5000), AFTER_ALL)
    assert not records.policies.remember_due("daily", "backup", moment(60), moment(5000))
    assert records.policies.remember_due("daily", "backup", moment(60), moment(120))
    assert records.policies.fell_due("daily", "backup") == moment(60)
    assert not records.policies.remember_due("daily", "backup", moment(60), moment(120))


def test_of_many_threads_one_starts_what_fell_due(records):
    answers = []
    barrier = threading.Barrier(8)

    def claim():
        barrier.wait()
        answers.append(records.policies.remember_due("daily", "backup", moment(1), AFTER_ALL))

    run_all([claim] * 8)
    assert sorted(answers) == [False] * 7 + [True]


def test_what_is_not_there_cannot_be_replaced(records):
    with pytest.raises(NotFoundError):
        records.sessions.put(session(1))
    with pytest.raises(NotFoundError):
        records.sessions.put_task(task(1, 1))
    with pytest.raises(NotFoundError):
        records.sessions.log(line(1, "nobody hears"))
    with pytest.raises(NotFoundError):
        records.points.put(point(1))


def test_points(records):
    for number, workload_number in [(3, 1), (1, 1), (2, 2)]:
        records.points.add(point(number, workload_number), f"sealed {number}".encode())
    records.points.add(replace(point(3), size_bytes=0), b"other")
    assert records.points.get(hex_id(3)).size_bytes == 1024
    assert records.points.sealed_configuration(hex_id(3)) == b"sealed 3"
    one = workload(1)
    assert [p.id for p in records.points.of_workload(one)] == [hex_id(1), hex_id(3)]
    assert records.points.of_workload(replace(one, region="eu-west-1")) == []
    assert [p.id for p in records.points.of_policy("daily")] == [hex_id(1), hex_id(2), hex_id(3)]
    assert [p.id for p in pages(records.points.page, 2)] == [hex_id(3), hex_id(2), hex_id(1)]
    assert [p.id for p in records.points.page(before=None, limit=5, workload_id=workload(2).id)] == [hex_id(2)]
    records.points.put(replace(point(1), snapshots={"vol-1": "snap-1"}))
    assert records.points.get(hex_id(1)).snapshots == {"vol-1": "snap-1"}
    assert records.points.sealed_configuration(hex_id(1)) == b"sealed 1"
    records.points.remove(hex_id(1))
    records.points.remove(hex_id(1))
    with pytest.raises(NotFoundError):
        records.points.get(hex_id(1))


def test_points_are_counted_by_account_and_repository_and_forgotten_by_repository(records):
    for number in range(5):
        records.points.add(replace(point(number), repository="old" if number else "vault"), b"")
    records.points.add(replace(point(9), repository=None), b"")
    assert records.points.count_naming() == 6
    assert records.points.count_naming(repository="old") == 4
    assert records.points.count_naming(account="main", repository="vault") == 1
    assert records.points.count_naming(account="other") == 0
    records.points.put(replace(point(9), repository=None, place=SnapshotPlace("other", "eu-west-1")))
    assert records.points.get(hex_id(9)).lies_in == SnapshotPlace("other", "eu-west-1")
    assert records.points.count_naming(account="other") == 1
    assert records.points.count_naming(account="main") == 6
    for number, name in enumerate(["daily", "weekly", "", "later"]):
        until = moment(1 if name == "later" else 0)
        records.points.add(replace(point(20 + number, policy=name), keep_until=until), b"")
    assert records.points.policies_with_expired(moment(0)) == ["daily", "weekly"]
    assert records.points.policies_with_expired(moment(0) - timedelta(seconds=1)) == []
    for number in range(4):
        records.points.remove(hex_id(20 + number))
    newest = records.changes.newest()
    assert [records.points.forget_in("old", 3) for _ in range(3)] == [3, 1, 0]
    assert {one.id for one in records.points.of_policy("daily")} == {hex_id(0), hex_id(9)}
    told = records.changes.after(newest, 10)
    assert {(one.kind, one.id, one.document) for one in told} == {("point", hex_id(n), None) for n in range(1, 5)}


def open_backup(number):
    return OpenBackup(hex_id(number), "vault", hex_id(1), hex_id(2), workload(), "daily", {"vol-1": f"snap-{number}"})


def test_open_backups(records):
    newest = records.changes.newest()
    records.open_backups.put(open_backup(2))
    records.open_backups.put(open_backup(1))
    records.open_backups.put(replace(open_backup(2), snapshots={}))
    assert records.open_backups.all() == [open_backup(1), replace(open_backup(2), snapshots={})]
    records.open_backups.remove(hex_id(2))
    records.open_backups.remove(hex_id(2))
    assert records.open_backups.all() == [open_backup(1)]
    copy = replace(open_backup(3), copies=OpenCopy("source", hex_id(4), hex_id(5), hex_id(6)), snapshots={})
    records.open_backups.put(copy)
    assert records.open_backups.all()[-1] == copy
    records.open_backups.put(replace(copy, set_aside=SetAside(moment(1), 3, moment(9))))
    assert records.open_backups.all()[-1] == replace(copy, set_aside=SetAside(moment(1), 3, moment(9)))
    assert (copy.repositories, open_backup(1).repositories) == (("vault", "source"), ("vault",))
    assert records.changes.newest() == newest, "nobody mirrors them"


def test_a_point_is_found_by_a_prefix_that_only_it_has(records):
    for start in ("aa1", "aa2", "b"):
        records.points.add(replace(point(1), id=start.ljust(32, "0")), b"")
    assert records.points.get("aa2").id.startswith("aa2")
    assert records.points.get("b").id.startswith("b")
    with pytest.raises(UsageError):
        records.points.get("aa")
    for text in ("c", "a%", "", "_", "B"):
        with pytest.raises(NotFoundError):
            records.points.get(text)


def test_changes_come_in_order_and_of_each_object_the_latest(records):
    records.accounts.put(Account("main"))
    records.repositories.put(RepositoryDefinition("vault", "memory:"), b"secret")
    records.policies.put(policy(), moment(1))
    records.sessions.open(session(1), [task(2, 1)], {"hidden": 1})
    records.points.add(point(3), b"secret")
    records.accounts.put(Account("main", description="new"))
    records.points.remove(hex_id(3))
    found = records.changes.after(0, 100)
    assert [(one.kind, one.id) for one in found] == [
        ("repository", "vault"),
        ("policy", "daily"),
        ("session", hex_id(1)),
        ("task", hex_id(2)),
        ("account", "main"),
        ("point", hex_id(3)),
    ]
    documents = {one.kind: one.document for one in found}
    assert documents["point"] is None
    assert documents["account"]["description"] == "new"
    assert documents["policy"] == to_document(records.policies.get("daily"))
    assert documents["session"] == to_document(session(1))
    assert documents["task"] == to_document(task(2, 1))
    assert "secret" not in str(documents)
    assert found[-1].usn == records.changes.newest() == 8
    assert records.changes.after(found[1].usn, 2) == found[2:4]
    assert records.changes.after(8, 10) == []


def test_removals_are_told_for_a_while(records):
    records.accounts.put(Account("gone"))
    records.accounts.remove("gone")
    records.policies.put(policy("gone"), moment(1))
    records.policies.remove("gone")
    records.accounts.put(Account("here"))
    reached = records.changes.newest()
    records.sessions.open(session(1, State.FAILED), [], {})
    records.sessions.forget(moment(2), (), 9)
    records.changes.forget_removals(reached)
    assert [(one.kind, one.id) for one in records.changes.after(0, 9)] == [("account", "here"), ("session", hex_id(1))]
    records.changes.forget_removals(records.changes.newest())
    assert [(one.kind, one.id) for one in records.changes.after(0, 9)] == [("account", "here")]
    assert records.changes.newest() == 7
    records.accounts.put(Account("gone"))
    assert records.changes.after(7, 9)[0].id == "gone"


def test_no_change_is_counted_where_nothing_changed(records):
    records.sessions.open(session(1, State.FAILED), [task(2, 1, State.FAILED)], {})
    records.points.add(point(3), b"")
    newest = records.changes.newest()
    records.sessions.open(session(1), [], {})
    records.sessions.put(session(1))
    records.sessions.put_task(task(2, 1))
    records.sessions.request_cancel(hex_id(1))
    records.points.add(point(3), b"")
    records.points.remove(hex_id(4))
    records.settings.put("region", "us-east-1")
    assert records.changes.newest() == newest


def test_ledger(records):
    first = records.ledger.intend(ledger_row(1, "same"))
    assert records.ledger.intend(ledger_row(2, "same")) == first == ledger_row(1, "same")
    second = records.ledger.intend(ledger_row(3))
    assert [row.id for row in records.ledger.open_rows()] == [first.id, second.id]
    records.ledger.created(first.id, "i-1", moment(5))
    assert records.ledger.intend(ledger_row(4, "same")).object_id == "i-1"
    records.ledger.gone("instance", "i-2", moment(6))
    records.ledger.gone("volume", "i-1", moment(6))
    assert len(records.ledger.open_rows(session_id=hex_id(1))) == 2
    records.ledger.gone("instance", "i-1", moment(6))
    records.ledger.dropped(second.id, moment(7))
    assert records.ledger.open_rows() == []
    assert records.ledger.open_rows(session_id=hex_id(9)) == []
    with pytest.raises(NotFoundError):
        records.ledger.created(hex_id(9), "i-3", moment(8))


def test_closed_rows_of_the_ledger_are_forgotten_unless_their_session_runs(records):
    for number in range(4):
        records.ledger.intend(ledger_row(number))
        if number:
            records.ledger.dropped(hex_id(number), moment(number))
    records.sessions.open(session(1), [], {})
    assert records.ledger.forget(moment(3), 9) == 0, "they are of session 1"
    records.sessions.put(session(1, State.FAILED))
    assert [records.ledger.forget(moment(3), 1) for _ in range(3)] == [1, 1, 0]
    assert [one.id for one in records.ledger.open_rows()] == [hex_id(0)]
    assert records.ledger.intend(ledger_row(9, "token-3")).id == hex_id(3), "it was closed too late to go"


def test_settings(records):
    assert records.settings.get("a") is None
    assert records.settings.sealed("a") is None
    records.settings.put("a", {"x": [1, None, "ü"]})
    records.settings.put_sealed("a", b"\x00")
    records.settings.put("a", False)
    assert records.settings.get("a") is False
    assert records.settings.sealed("a") == b"\x00"
    records.settings.put_sealed("a", None)
    assert records.settings.sealed("a") is None


def test_what_came_of_a_task_comes_back(records):
    result: TaskResult = {
        "restore_point": hex_id(7),
        "packs": 3,
        "volumes": {"/dev/xvda": "vol-1"},
        "not_renewed": ("a", "b"),
    }
    records.sessions.open(session(1), [replace(task(2, 1), result=result)], {})
    assert records.sessions.task(hex_id(2)).result == result
