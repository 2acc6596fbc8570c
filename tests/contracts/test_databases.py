"""What holds for a database as a whole: its tables, its file, who may read it, and its speed."""

import itertools
import sqlite3
import stat
import sys
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, text

from holdfast.database import tables
from holdfast.database.appliance_records import appliance_records
from holdfast.database.connection import Database
from holdfast.domain.errors import (
    ConflictError,
    IntegrityError,
    MissingExtraError,
    UnavailableError,
    UnsupportedFormatError,
    UsageError,
)
from holdfast.domain.extras import how_to_install
from holdfast.domain.restore_point import Flag, PointKind
from holdfast.testing.sample_records import hex_id, moment, point, policy, session, task

OF_ONE_SIDE = {
    "appliance": {"accounts", "policies", "due_moments", "points", "open_backups"},
    "server": {"appliances", "plugins", "tokens", "mirrored"},
}


@pytest.mark.parametrize("kind", ["appliance", "server"])
def test_migrations_make_the_tables_that_the_code_expects(open_database, kind):
    other = OF_ONE_SIDE["server" if kind == "appliance" else "appliance"]

    def is_ours(_object, name, object_kind, _reflected, _compared):
        return object_kind != "table" or name not in other

    with open_database(kind).reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert compare_metadata(context, tables.metadata) == []


def test_opening_again_keeps_what_is_there(open_database):
    appliance_records(open_database("appliance")).sessions.open(session(1), [], {})
    assert appliance_records(open_database("appliance")).sessions.get(hex_id(1)) == session(1)


def test_tables_of_another_side_or_a_newer_version_are_refused(open_database):
    open_database("appliance")
    with pytest.raises(UnsupportedFormatError):
        open_database("server")
    with open_database("appliance").writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'appliance_9999'"))
    with pytest.raises(UnsupportedFormatError):
        open_database("appliance")


def test_points_of_an_earlier_version_say_where_they_lie(open_database):
    database = open_database("appliance")
    appliance_records(database).points.add(point(1), b"")
    appliance_records(database).points.add(replace(point(2), repository=None), b"")
    with database.writing() as connection:
        for statement in (
            "DROP TABLE open_backups",
            "DROP INDEX points_by_repository",
            "DROP INDEX points_by_account",
            "DROP INDEX points_by_keeper",
            "DROP INDEX points_by_expiry",
            "ALTER TABLE points DROP COLUMN keep_until",
            "ALTER TABLE policies DROP COLUMN in_force_since",
            "ALTER TABLE points DROP COLUMN kept_in",
            "ALTER TABLE points DROP COLUMN repository",
            "INSERT INTO settings (name) VALUES ('configuration/of-a-task-that-ended')",
            "UPDATE alembic_version SET version_num = 'appliance_0001'",
        ):
            connection.execute(text(statement))
    again = open_database("appliance")
    assert appliance_records(again).points.count_naming(repository="vault") == 1
    assert appliance_records(again).points.count_naming() == 2
    with again.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM settings")).scalar() == 0


def test_points_of_an_earlier_version_get_the_flag_of_their_policy(open_database):
    records = appliance_records(open_database("appliance"))
    for one in (
        point(1),
        replace(point(2), kind=PointKind.SNAPSHOT, repository=None),
        replace(point(3), kind=PointKind.MANUAL_SNAPSHOT, repository=None, policy=""),
        replace(point(4), policy=""),
    ):
        records.points.add(one, b"")
    newest = records.changes.newest()
    with open_database("appliance").writing() as connection:
        for statement in (
            "DROP INDEX points_by_expiry",
            "ALTER TABLE points DROP COLUMN keep_until",
            "ALTER TABLE policies DROP COLUMN in_force_since",
            "UPDATE alembic_version SET version_num = 'appliance_0003'",
        ):
            connection.execute(text(statement))
    again = appliance_records(open_database("appliance"))
    flags = {one.id: one.flags for one in again.points.page(before=None, limit=9)}
    assert flags == {hex_id(1): ("D",), hex_id(2): ("D",), hex_id(3): (), hex_id(4): ()}
    assert again.points.get(hex_id(1)) == replace(point(1), flags=(Flag.DAILY,))
    assert {one.id for one in again.changes.after(newest, 9)} == {hex_id(1), hex_id(2)}, "the server is told"


def test_policies_of_an_earlier_version_are_in_force_since_they_were_changed(open_database):
    records = appliance_records(open_database("appliance"))
    for number, name in enumerate("ab"):
        records.policies.put(policy(name), moment(number))
    with open_database("appliance").writing() as connection:
        for statement in (
            "ALTER TABLE policies DROP COLUMN in_force_since",
            "UPDATE alembic_version SET version_num = 'appliance_0004'",
        ):
            connection.execute(text(statement))
    again = appliance_records(open_database("appliance")).policies
    assert {one.policy.name: one.in_force_since for one in again.all()} == {"a": moment(0), "b": moment(1)}


def test_a_block_that_raises_writes_nothing(open_database):
    database = open_database("appliance")

    def write_and_fail():
        with database.writing() as connection:
            connection.execute(text("INSERT INTO settings (name) VALUES ('a')"))
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM settings")).scalar() == 0


def test_a_refused_row_is_a_conflict(open_database):
    with pytest.raises(ConflictError), open_database("appliance").writing() as connection:
        connection.execute(text("INSERT INTO log_lines (session_id, sequence, document) VALUES ('none', 1, '')"))


def test_a_file_and_those_beside_it_are_their_owners_alone(tmp_path):
    path = tmp_path / "home" / "records.db"
    database = Database.open(path, "appliance")
    appliance_records(database).sessions.open(session(1), [], {})
    modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(list(path.parent.iterdir())) == 3
    database.close()


def test_a_commit_is_on_the_disk_before_it_is_answered(tmp_path):
    database = Database.open(tmp_path / "records.db", "appliance")
    with database.reading() as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")}
        keys = connection.execute(text("PRAGMA foreign_keys")).scalar()
    assert found == {"synchronous": 2, "journal_mode": "wal"}
    assert keys == 1
    database.close()


def test_a_url_of_sqlite_is_the_same_file(tmp_path):
    Database.open(f"sqlite:///{tmp_path}/records.db", "server").close()
    Database.open(tmp_path / "records.db", "server").close()


def test_a_file_that_is_no_database_is_damage(tmp_path):
    (tmp_path / "records.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(IntegrityError):
        Database.open(tmp_path / "records.db", "appliance")


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        Database.open(tmp_path / "file" / "records.db", "appliance")


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("sqlite://", UsageError),
        ("nonsense", UsageError),
        ("mystery://host/name", MissingExtraError),
        ("postgresql://nobody:secret-word@127.0.0.1:1/none?connect_timeout=2", UnavailableError),
    ],
)
def test_addresses_that_cannot_be_used(place, error):
    with pytest.raises(error) as caught:
        Database.open(place, "appliance")
    assert "secret-word" not in f"{caught.value.what} {caught.value.why} {caught.value.cure}"


def test_what_a_database_needs_is_installed_where_this_program_is():
    with pytest.raises(MissingExtraError) as caught:
        Database.open("mystery://host/name", "appliance")
    assert caught.value.cure.endswith(how_to_install("postgresql", sys.executable))


def test_lists_stay_quick_over_a_hundred_thousand_points(tmp_path):
    path = tmp_path / "records.db"
    database = Database.open(path, "appliance")
    records = appliance_records(database)
    records.points.add(point(0), b"")
    with sqlite3.connect(path) as raw:
        raw.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
            " INSERT INTO points SELECT printf('%032x', i), account, region, 'i-' || (i % 1000), policy,"
            " printf('2026-02-01T%02d:%02d:%02d.000000Z', i / 3600 % 24, i / 60 % 60, i % 60),"
            " replace(document, printf('%032x', 0), printf('%032x', i)), sealed_configuration, repository,"
            " kept_in, keep_until"
            " FROM n, points"
        )
    raw.close()
    steps = counted_steps(database)
    calls = {
        "page": (lambda: records.points.page(before=None, limit=100), 5_000),
        "later page": (lambda: records.points.page(before=hex_id(70_000), limit=100), 5_000),
        "of one workload": (lambda: records.points.page(before=None, limit=100, workload_id="i-7"), 5_000),
        "prefix": (lambda: records.points.get(hex_id(100_000)[:31]), 5_000),
        # Counts them all, by the index.
        "of one repository": (lambda: records.points.count_naming(repository="vault"), 400_000),
    }
    for name, (call, most) in calls.items():
        before = steps()
        assert call()
        assert steps() - before < most, name
    database.close()


def counted_steps(database):
    """How many steps SQLite's machine has made, to a hundred: what a call costs, however fast the machine is."""
    hundreds = itertools.count()

    def watch(connection, *_words):
        connection.set_progress_handler(lambda: next(hundreds) < 0, 100)

    event.listen(database._engine, "checkout", watch)
    return lambda: 100 * next(hundreds)


def test_progress_of_a_task_costs_the_same_after_many(tmp_path):
    """Half a thousand tasks, thrice as many changes: neither tables nor files grow with the changes."""
    path = tmp_path / "records.db"
    database = Database.open(path, "appliance")
    records = appliance_records(database)
    records.sessions.open(session(1), [task(number, 1) for number in range(500)], {})
    for number in range(1500):
        records.sessions.put_task(task(number % 500, 1))
    with database.reading() as connection:
        rows = connection.execute(text("SELECT count(*) FROM changes")).scalar()
    assert rows == 501
    assert records.changes.newest() == 2001
    database.close()
    assert path.stat().st_size < 2_000_000
