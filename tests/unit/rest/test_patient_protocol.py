"""How long a client is waited for that has begun a request, on a clock of its own."""

import heapq
import itertools

import pytest
import uvicorn
from uvicorn.server import ServerState

from holdfast.rest import patient_protocol
from holdfast.rest.patient_protocol import PatientProtocol

KEEP_ALIVE_SECONDS = 30
HEADER = b"POST /api/v1/enrolment HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


class Loop:
    """Time that passes when it is told to; tasks are run by hand."""

    def __init__(self):
        self.now, self.tasks = 1000.0, []
        self._timers, self._numbers = [], itertools.count()

    def time(self):
        return self.now

    def call_at(self, when, call):
        timer = Timer(call)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def call_later(self, delay, call):
        return self.call_at(self.now + delay, call)

    def create_task(self, coroutine):
        self.tasks.append(coroutine)
        return Task()

    def pass_seconds(self, seconds):
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._timers)
            timer.run()
        self.now = end


class Timer:
    def __init__(self, call):
        self._call = call

    def cancel(self):
        self._call = None

    def run(self):
        if self._call is not None:
            self._call()


class Task:
    def add_done_callback(self, call):
        pass


class Transport:
    """Whether the connection is there still, and whether it is read."""

    def __init__(self):
        self.open, self.cut, self.read, self.sent = True, False, True, b""

    def get_extra_info(self, name, default=None):
        return default

    def is_closing(self):
        return not self.open

    def write(self, data):
        self.sent += data

    def close(self):
        self.open = False

    def abort(self):
        self.open, self.cut = False, True

    def pause_reading(self):
        self.read = False

    def resume_reading(self):
        self.read = True


class Connection:
    """One that a client has opened a moment ago."""

    def __init__(self):
        self.loop, self.transport = Loop(), Transport()
        config = uvicorn.Config(answer, log_config=None, timeout_keep_alive=KEEP_ALIVE_SECONDS, lifespan="off")
        self.protocol = PatientProtocol(config, ServerState(), {}, self.loop)  # type: ignore[arg-type]
        self.protocol.connection_made(self.transport)

    def sends(self, data):
        self.protocol.data_received(data)

    def is_answered(self):
        (task,), self.loop.tasks = self.loop.tasks, []
        with pytest.raises(StopIteration):
            task.send(None)

    def stays_for(self, seconds):
        """It is there for so long, and is let go a moment later."""
        self.loop.pass_seconds(seconds - 0.01)
        before = self.transport.open
        self.loop.pass_seconds(0.02)
        return before and not self.transport.open


async def answer(scope, receive, send):
    """Without reading a body."""
    await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@pytest.fixture
def connection():
    one = Connection()
    yield one
    for task in one.loop.tasks:
        task.close()


def test_who_says_nothing_or_half_a_header(connection):
    assert connection.stays_for(patient_protocol._HEADER_SECONDS)


def test_a_header_that_never_ends(connection):
    for letter in b"GET /api/v1/appliance":
        connection.sends(bytes([letter]))
        connection.loop.pass_seconds(patient_protocol._HEADER_SECONDS / 20)
    assert connection.transport.cut


def test_a_body_that_never_comes(connection):
    connection.sends(HEADER)
    assert connection.stays_for(patient_protocol._BODY_SILENCE_SECONDS)
    assert connection.transport.cut


def test_a_body_that_comes_slowly_is_waited_for_while_it_comes(connection):
    connection.sends(HEADER)
    for _ in range(10):
        connection.loop.pass_seconds(patient_protocol._BODY_SILENCE_SECONDS - 1)
        connection.sends(b"x" * 10)
    connection.loop.pass_seconds(10 * patient_protocol._BODY_SECONDS)
    assert connection.transport.open, "it is there whole, and the answer may take its time"


def test_a_body_does_not_drip_for_ever(connection):
    connection.sends(HEADER)
    for _ in range(patient_protocol._BODY_SECONDS // 10 - 1):
        connection.loop.pass_seconds(10)
        connection.sends(b"x")
    assert connection.stays_for(10)


def test_a_body_that_is_not_read_on_is_not_late(connection):
    connection.sends(HEADER.replace(b"100", b"1000000"))
    connection.sends(b"x" * 100_000)
    assert not connection.transport.read
    connection.loop.pass_seconds(3 * patient_protocol._BODY_SILENCE_SECONDS)
    assert connection.transport.open


def test_who_has_his_answer_holds_no_place_with_a_body(connection):
    connection.sends(HEADER)
    connection.is_answered()
    for _ in range(patient_protocol._HEADER_SECONDS - 1):
        connection.loop.pass_seconds(1)
        connection.sends(b"x")
    assert connection.stays_for(1)


@pytest.mark.parametrize("begun", [b"", b"GET /"])
def test_nor_by_saying_nothing_more_nor_by_beginning_again(connection, begun):
    connection.sends(HEADER)
    connection.is_answered()
    connection.sends(b"x" * 100 + begun)
    assert connection.stays_for(patient_protocol._HEADER_SECONDS if begun else KEEP_ALIVE_SECONDS)


def test_a_connection_is_used_again(connection):
    for _ in range(3):
        connection.sends(HEADER + b"x" * 100)
        connection.is_answered()
        connection.loop.pass_seconds(KEEP_ALIVE_SECONDS - 1)
    assert connection.transport.open
    assert connection.transport.sent.count(b"429") == 3
