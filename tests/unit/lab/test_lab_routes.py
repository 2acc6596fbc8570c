"""The lab's own routes are for this machine, and say what they do not know."""

import io
import json
from http import HTTPStatus

import pytest

from holdfast.lab.block_store import BlockStore
from holdfast.lab.clock import LabClock
from holdfast.lab.faults import Fault, FaultPlan
from holdfast.lab.lab_routes import LabRoutes
from holdfast.lab.request_log import RequestLog


class World:
    def __init__(self, folder):
        self.clock = LabClock()
        self.plans: list[FaultPlan] = []
        self.routes = LabRoutes(BlockStore(folder, self.clock.now), self.clock, RequestLog(), self.plans.append)

    def ask(self, method, path, body=b"", sender="127.0.0.1"):
        started = []

        def start(status, headers, exc_info=None, /):
            started.append(status)
            return started.append

        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": sender, "wsgi.input": io.BytesIO(body),
        }  # fmt: skip
        (answer,) = self.routes(environ, start)
        return int(started[0].split()[0]), json.loads(answer)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("sender", ["192.0.2.7", "2001:db8::1"])
def test_others_are_turned_away(world, sender):
    assert world.ask("GET", "/_lab/health", sender=sender)[0] == 403


@pytest.mark.parametrize("sender", ["127.0.0.1", "::1"])
def test_this_machine_is_answered(world, sender):
    assert world.ask("GET", "/_lab/health", sender=sender) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/_lab/", "/_lab/nothing", "/_lab/volumes/vol-1", "/_lab/volumes/../x"])
def test_what_is_not_there(world, path):
    assert world.ask("GET", path)[0] == 404


def test_clock_is_turned_forward_only(world):
    before = world.clock.now()
    assert world.ask("POST", "/_lab/clock", b'{"advance_seconds": 3600}')[1]["now"] >= before + 3600
    for body in (b'{"advance_seconds": -1}', b'{"advance_seconds": "x"}', b"{}", b"[]", b"?"):
        assert world.ask("POST", "/_lab/clock", body)[0] == 400


def test_faults_are_replaced_as_a_whole(world):
    assert world.ask("PUT", "/_lab/faults", b'{"spec": "s3:lost=1"}')[0] == 200
    (plan,) = world.plans
    assert plan.decide("s3", "PUT", "/x").fault is Fault.LOST
    for body in (b'{"spec": "s3:lost=2"}', b'{"spec": 1}', b"{}"):
        assert world.ask("PUT", "/_lab/faults", body)[0] == 400
    assert world.plans == [plan]


def test_parts_of_the_lab_add_routes_of_their_own(world):
    world.routes.add("PUT", "things/faults", lambda document: (HTTPStatus.OK, {"was": document}))
    assert world.ask("PUT", "/_lab/things/faults", b'{"a": 1}') == (200, {"was": {"a": 1}})
    assert world.ask("GET", "/_lab/things/faults")[0] == 404
    assert world.ask("PUT", "/_lab/things/faults", sender="192.0.2.7")[0] == 403
