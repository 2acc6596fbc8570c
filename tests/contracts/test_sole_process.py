"""A database has one process of a kind: a second one is told so, and one that loses it ends."""

import contextlib
import subprocess
import sys
import threading

import pytest
from sqlalchemy import create_engine, text

from holdfast.database import sole_process as module
from holdfast.database.connection import url_of
from holdfast.database.sole_process import sole_process
from holdfast.domain.errors import ConflictError, UnavailableError
from holdfast.domain.history import SessionHistory
from holdfast.wiring import appliance, server

HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SLEEPER = """
import sys, time
from holdfast.database.sole_process import sole_process
with sole_process(sys.argv[1], "server", lambda: None):
    print("held", flush=True)
    time.sleep(1000)
"""


class Bystander:
    """Another client of the database."""

    def __init__(self, address):
        self._engine = create_engine(url_of(address), isolation_level="AUTOCOMMIT")

    def holders(self):
        with self._engine.connect() as connection:
            return list(connection.execute(text(HOLDERS)).scalars())

    def cut_all(self):
        for pid in self.holders():
            with self._engine.connect() as connection:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    def close(self):
        self._engine.dispose()


@pytest.fixture
def bystander(new_postgresql):
    one = Bystander(new_postgresql)
    yield one
    one.close()


def wait_until(met):
    pause = threading.Event()
    for _ in range(2000):
        if met():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come about")


def nothing():
    raise AssertionError("it was lost")


def test_a_second_process_is_refused_while_the_first_lives(new_postgresql, bystander):
    with sole_process(new_postgresql, "server", nothing):
        for _ in range(2):
            with pytest.raises(ConflictError, match="another server works"), held(new_postgresql):
                pass
        with sole_process(new_postgresql, "appliance", nothing):
            assert len(bystander.holders()) == 2
        other = new_postgresql + "&options=-csearch_path%3Dpg_temp"
        with held(other):
            pass
    with held(new_postgresql):
        pass
    assert bystander.holders() == []


def held(address):
    return sole_process(address, "server", nothing)


def test_a_process_that_was_killed_holds_nobody_up(new_postgresql, bystander):
    words = [sys.executable, "-c", SLEEPER, new_postgresql]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ConflictError), held(new_postgresql):
            pass
        process.kill()
    wait_until(lambda: bystander.holders() == [])
    with held(new_postgresql):
        pass


def test_a_connection_that_breaks_is_made_anew(new_postgresql, bystander, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    with held(new_postgresql):
        before = bystander.holders()
        bystander.cut_all()
        wait_until(lambda: bystander.holders() not in ([], before))
        with pytest.raises(ConflictError), held(new_postgresql):
            pass


def test_who_loses_it_to_another_ends(new_postgresql, bystander, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    lost, second = threading.Event(), module._Hold(url_of(new_postgresql), "server")

    def second_is_quicker():
        bystander.cut_all()
        try:
            second.take()
        except ConflictError:
            return False
        return True

    def first():
        with sole_process(new_postgresql, "server", lost.set):
            wait_until(second_is_quicker)
            assert lost.wait(100)

    with pytest.raises(ConflictError, match="another server works"):
        first()
    second.let_go()


def test_a_former_connection_that_only_postgresql_has_still_is_no_other_process(new_postgresql, bystander):
    hold = module._Hold(url_of(new_postgresql), "server")
    hold.take()
    former, hold._connection = hold._connection, None
    assert former is not None

    def taken_again():
        with contextlib.suppress(UnavailableError):
            hold._look()
        return hold._connection is not None

    wait_until(taken_again)
    assert len(bystander.holders()) == 1
    hold.let_go()
    former.close()


def test_a_file_is_held_by_its_home(tmp_path):
    for _ in range(2):
        with sole_process(tmp_path / "a.sqlite", "server", nothing), held(f"sqlite:///{tmp_path}/a.sqlite"):
            assert list(tmp_path.iterdir()) == []


def test_a_server_on_a_standby_host_does_not_start(new_postgresql, tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    with held(new_postgresql), pytest.raises(ConflictError, match="another server works"):
        server.run("127.0.0.1:0", new_postgresql, None, SessionHistory(), lambda facts: nothing())


def test_an_appliance_on_a_standby_host_does_not_start(new_postgresql, tmp_path):
    order = appliance.RunOrder("127.0.0.1:0", tmp_path, new_postgresql)
    with sole_process(new_postgresql, "appliance", nothing), pytest.raises(ConflictError, match="another appliance"):
        appliance.run(order, lambda facts: nothing())
