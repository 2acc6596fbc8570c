"""The management server put together: what comes before what."""

import socket
from contextlib import closing

import pytest

from holdfast.database.connection import Database
from holdfast.database.server_records import server_records
from holdfast.domain.errors import ConflictError
from holdfast.domain.history import SessionHistory
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.wiring.private_files import private_folder
from holdfast.wiring.server import run
from holdfast.wiring.server_home import ServerHome


def test_what_was_cut_short_is_looked_for_before_anybody_is_answered(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    home = ServerHome(tmp_path)
    private_folder(home.folder)
    with closing(Database.open(home.database, "server")) as database:
        appliances = server_records(database).appliances
        appliances.put(Appliance("a", "aws", "", ApplianceState.DEPLOYING, ""))
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConflictError, match="cannot listen"):
            run(f"127.0.0.1:{taken.getsockname()[1]}", None, None, SessionHistory(), lambda facts: None)
        assert appliances.all() == []
