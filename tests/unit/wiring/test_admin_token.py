"""The administrator's token: there at every start, and renewed at any time."""

import json
import os
import shutil
import signal
import stat
from datetime import UTC, datetime

import pytest

from holdfast.cli import main
from holdfast.database.connection import Database
from holdfast.database.server_records import server_records
from holdfast.domain.errors import NotAuthenticatedError, NotFoundError, PermissionDeniedError
from holdfast.domain.history import SessionHistory
from holdfast.server.ports.records import TokenKind
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.tokens import TokenBook
from holdfast.wiring import admin_token, server
from holdfast.wiring.private_files import private_folder
from holdfast.wiring.server_client import open_client
from holdfast.wiring.server_home import SERVER_ID, ServerHome


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HOLDFAST_SERVER", "HOLDFAST_TOKEN", "HOLDFAST_SERVER_CERTIFICATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    made = ServerHome(tmp_path)
    private_folder(made.folder)
    return made


@pytest.fixture
def tokens(home):
    """Those of a server that runs."""
    database = Database.open(home.database, "server")
    records = server_records(database)
    records.settings.put(SERVER_ID, "5" * 32)
    yield TokenBook(records.tokens, Surroundings(lambda: datetime.now(UTC), os.urandom, lambda seconds: False))
    database.close()


def kept(home):
    return home.admin_token.read_text()


def started(home):
    """The token that a start of the server leaves, with which commands on its machine are answered."""
    answers = []

    def announce(facts):
        assert facts["token_file"] == str(home.admin_token)
        client = open_client()
        answers.append(client.send("GET", "/server"))
        client.close()
        os.kill(os.getpid(), signal.SIGTERM)

    server.run("127.0.0.1:0", None, None, SessionHistory(), announce)
    assert len(answers) == 1
    return kept(home)


def test_every_start_leaves_a_token_that_is_taken(home, tmp_path):
    first = started(home)
    assert started(home) == first
    home.admin_token.unlink()
    second = started(home)
    assert second != first, "the home is new, or its file was lost"
    for path in home.folder.glob("server.sqlite*"):
        path.unlink()
    third = started(home)
    assert third != second, "the database is new"


def test_a_start_that_was_cut_short_is_made_good(home, tokens):
    tokens.issue(TokenKind.ADMIN)
    admin_token.keep(home, tokens)
    assert tokens.is_admin(kept(home))
    assert stat.S_IMODE(home.admin_token.stat().st_mode) == 0o600


def test_a_renewed_token_is_the_only_one(home, tokens):
    admin_token.keep(home, tokens)
    leaked, lost, service = kept(home), tokens.issue(TokenKind.ADMIN), tokens.issue(TokenKind.SERVICE, "a")
    assert admin_token.renew(None) == admin_token.AdminToken(home.admin_token, True, 2)
    for text in (leaked, lost):
        with pytest.raises(NotAuthenticatedError):
            tokens.authenticate(text)
    assert tokens.is_admin(kept(home))
    assert tokens.authenticate(service).appliance == "a"
    assert admin_token.look(None).valid


def test_where_no_server_is_none_is_written(home, tmp_path):
    for database in (None, f"sqlite:///{tmp_path}/another.sqlite"):
        with pytest.raises(NotFoundError, match="no management server"):
            admin_token.renew(database)
    shutil.rmtree(home.folder)
    with pytest.raises(NotFoundError):
        admin_token.look(None)
    assert not home.folder.exists()


def test_a_home_of_another_user_is_left_alone(home, tokens, monkeypatch):
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(PermissionDeniedError, match="another user's"):
        admin_token.renew(None)
    assert not home.admin_token.exists()


def test_the_command(home, tokens, capsys):
    assert main.run(["server", "token", "--output", "json"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out) == {"token_file": str(home.admin_token), "valid": False, "revoked": 0}
    assert "--renew" in told.err
    tokens.issue(TokenKind.ADMIN)
    assert main.run(["server", "token", "--renew", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"token_file": str(home.admin_token), "valid": True, "revoked": 1}
    assert main.run(["server", "token"]) == 0
    told = capsys.readouterr()
    assert kept(home) not in told.out + told.err
