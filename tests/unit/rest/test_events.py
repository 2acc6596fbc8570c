"""Streams of events: all of them, in order, to the end; and nothing is held for those who have gone."""

import asyncio
import itertools
import sys
import threading
import time
from typing import Any

import pytest

from holdfast.domain.errors import IntegrityError, NotFoundError, ThrottledError
from holdfast.domain.session import State
from holdfast.protocol.appliance_answers import ChangePage
from holdfast.protocol.encoding import from_document
from holdfast.rest import events
from holdfast.rest.appliance_api import watching
from holdfast.server import service
from holdfast.testing.sample_records import hex_id, line, session, task


def test_a_session_is_followed_to_its_end(appliance, client):
    records = appliance.appliance.records
    records.sessions.open(session(1), [task(2, 1)], {})
    records.sessions.log(line(1, "one"))
    found = client.events(f"/sessions/{hex_id(1)}/events")
    found = (one for one in found if one["type"] != "still-here")
    seen = [next(found), next(found)]
    records.sessions.put_task(task(2, 1, State.SUCCEEDED))
    records.sessions.log(line(1, "two – ü\nand a line"))
    records.sessions.put(session(1, State.SUCCEEDED))
    seen += found
    assert [one["document"]["message"] for one in seen if one["type"] == "log"] == ["one", "two – ü\nand a line"]
    details = [one["document"] for one in seen if one["type"] == "session"]
    assert details[0]["session"]["state"] == "running"
    assert details[-1]["session"]["state"] == "succeeded"
    assert details[-1]["tasks"][0]["state"] == "succeeded"
    assert {one["type"] for one in seen} == {"log", "session"}


def test_a_session_that_has_ended_is_told_whole(appliance, client, monkeypatch):
    monkeypatch.setattr(watching, "_LINES", 10)
    records = appliance.appliance.records
    records.sessions.open(session(1, State.FAILED), [], {})
    for number in range(25):
        records.sessions.log(line(1, str(number)))
    seen = [one for one in client.events(f"/sessions/{hex_id(1)}/events") if one["type"] != "still-here"]
    assert [one["document"]["sequence"] for one in seen if one["type"] == "log"] == list(range(1, 26))
    assert [one["type"] for one in seen[-2:]] == ["log", "session"]


def test_a_session_of_the_server_that_has_ended_is_told_whole(server, monkeypatch):
    monkeypatch.setattr(service, "_LOG_LIMIT", 10)
    records = server.small.records
    records.sessions.open(session(1, State.FAILED), [], {})
    for number in range(25):
        records.sessions.log(line(1, str(number)))
    seen = [one for one in server.client().events(f"/sessions/{hex_id(1)}/events") if one["type"] != "still-here"]
    assert [one["document"]["sequence"] for one in seen if one["type"] == "log"] == list(range(1, 26))
    assert [one["type"] for one in seen].index("session") == 25


def test_through_the_server_the_same_events_come(appliance, server):
    appliance.appliance.records.sessions.open(session(1), [task(2, 1)], {})
    owner = appliance.client()
    page = from_document(ChangePage, owner.send("GET", "/changes"), "the page")
    owner.close()
    server.small.server.sync("one", page)
    found = server.client().events(f"/sessions/{hex_id(1)[:31]}/events")
    assert next(found)["document"]["session"]["state"] == "running"
    appliance.appliance.records.sessions.log(line(1, "nearly"))
    appliance.appliance.records.sessions.put(session(1, State.WARNING))
    rest = list(found)
    assert [one["type"] for one in rest] == ["log", "session"]
    assert rest[-1]["document"]["session"]["state"] == "warning"


def test_the_servers_own_sessions_are_followed_too(server):
    client = server.client()
    made = client.send("DELETE", "/appliances/one")
    seen = list(client.events(f"/sessions/{made['id']}/events"))
    assert seen[-1]["document"]["session"]["state"] == "succeeded"


def test_a_stream_of_nothing_is_refused_before_it_begins(client, server):
    for one in (client, server.client()):
        with pytest.raises(NotFoundError):
            next(one.events("/sessions/abc/events"))


def test_an_error_in_the_middle_arrives_as_what_it_is(appliance, client):
    appliance.appliance.records.sessions.open(session(1), [], {})
    found = client.events(f"/sessions/{hex_id(1)}/events")
    next(found)
    appliance.appliance.trouble = IntegrityError("damage", why="why", cure="cure", objects=("a",))
    with pytest.raises(IntegrityError) as caught:
        list(found)
    assert caught.value.objects == ("a",)


def test_of_those_who_went_away_no_thread_is_left(appliance, client):
    appliance.appliance.records.sessions.open(session(1), [], {})
    for _ in range(events.STREAM_LIMIT + 5):
        found = client.events(f"/sessions/{hex_id(1)}/events")
        next(found)
        found.close()
    deadline = time.monotonic() + 120
    while waiting_threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not waiting_threads()


def waiting_threads():
    """Threads of streams that are in the middle of an event."""
    frames = sys._current_frames()
    inside = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        while thread.name.startswith("holdfast-events") and frame is not None:
            if frame.f_code.co_name == "watch":
                inside.append(thread.name)
                break
            frame = frame.f_back
    return inside


def test_silence_is_broken_by_signs_of_life(monkeypatch):
    monkeypatch.setattr(events, "_STILL_HERE_SECONDS", 0.02)
    go_on = threading.Event()

    def slow():
        yield "still-here", None
        yield "log", {"a": "ü"}
        go_on.wait(120)

    log, texts = 'event: log\ndata: {"a":"\\u00fc"}\n\n', list[Any]()

    def after():
        return texts[texts.index(log) + 1 :] if log in texts else []

    async def read():
        async for text in events.EventStreams().response(slow).body_iterator:
            texts.append(text)
            if len(after()) == 3:
                go_on.set()

    asyncio.run(read())
    assert len(after()) >= 3
    assert {*texts} - {log} == {": still here\n\n"}


def test_more_streams_than_threads_are_told_to_wait(monkeypatch):
    monkeypatch.setattr(events, "STREAM_LIMIT", 2)
    streams = events.EventStreams()

    async def read():
        opened: list[Any] = [streams.response(lambda: itertools.repeat(("log", {}), 3)).body_iterator for _ in range(3)]
        first = [await anext(one) for one in opened]
        for one in opened[:2]:
            async for _ in one:
                pass
        after: Any = streams.response(lambda: iter([("log", {})])).body_iterator
        again = await anext(after)
        return first, again

    first, again = asyncio.run(read())
    assert ["log" in text.split("\n")[0] for text in first] == [True, True, False]
    assert ThrottledError.code in first[2]
    assert "log" in again
