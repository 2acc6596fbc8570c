"""Pointers and events: what is encoded comes back, and whatever is something else is refused as such."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.errors import FormatError, IntegrityError, UnsupportedFormatError
from holdfast.protocol.worker_messages import (
    MAX_MESSAGE_BYTES,
    EventError,
    EventType,
    TaskKind,
    TaskPointer,
    WorkerEvent,
    decode_event,
    decode_pointer,
    encode_event,
    encode_pointer,
    shortened,
)

ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
numbers = st.integers(0, 2**63 - 1)
words = st.text(max_size=40)
pointers = st.builds(
    TaskPointer,
    session=ids,
    attempt=numbers,
    kind=st.sampled_from(TaskKind),
    location=words,
    repository=ids,
    kid=numbers,
    region=words,
    kms_key_id=words,
    wrapped_key=st.binary(max_size=200),
    encryption_context=st.dictionaries(words, words, max_size=3),
    events_queue_url=words,
    appliance=words,
)
events = st.builds(
    WorkerEvent,
    session=ids,
    attempt=numbers,
    sequence=numbers,
    time=words,
    type=st.sampled_from(EventType),
    done_bytes=st.none() | numbers,
    total_bytes=st.none() | numbers,
    message=words,
    error=st.none() | st.builds(EventError, words, words, words, words, st.lists(words).map(tuple)),
    exit_status=st.none() | st.integers(0, 255),
    appliance=words,
)
POINTER = TaskPointer("ab" * 16, 2, TaskKind.BACKUP, "s3://b/p", "cd" * 16, 1, "eu-west-1")
EVENT = WorkerEvent("ab" * 16, 2, 7, "2026-01-02T03:04:05.000000Z", EventType.PROGRESS, 1, 2)


@given(pointers)
def test_pointers_come_back(pointer):
    assert decode_pointer(encode_pointer(pointer)) == pointer


@given(events)
def test_events_come_back_from_one_line(event):
    text = encode_event(event)
    assert "\n" not in text
    assert decode_event(text) == event


@pytest.mark.parametrize(
    ("decode", "text"), [(decode_pointer, encode_pointer(POINTER)), (decode_event, encode_event(EVENT))]
)
def test_newer_formats_are_refused_as_newer(decode, text):
    with pytest.raises(UnsupportedFormatError, match="cannot be read"):
        decode(json.dumps(json.loads(text) | {"format": 2, "more": 1}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"session": "AB" * 16}, "session"),
        ({"attempt": -1}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"kind": "delete"}, "kind"),
        ({"wrapped_key": "%"}, "wrapped_key"),
        ({"encryption_context": {"a": 1}}, "encryption_context"),
        ({"region": None}, "region"),
        ({"more": 1}, "more"),
        ({"location": "x" * MAX_MESSAGE_BYTES}, "longer"),
    ],
)
def test_what_is_no_pointer_is_refused(change, why):
    with pytest.raises(FormatError, match=why) as refused:
        decode_pointer(json.dumps(json.loads(encode_pointer(POINTER)) | change))
    assert why in refused.value.why


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", '{"format": "1"}', "[" * 100_000, '{"format": 1}'])
def test_any_other_text_is_refused(text):
    for decode in (decode_pointer, decode_event):
        with pytest.raises(FormatError):
            decode(text)


def test_an_error_with_other_parts_is_refused():
    whole: dict[str, object] = {"code": "x", "what": "w", "why": "y", "cure": "c"}
    wrong: list[object] = [{"code": "x"}, whole | {"more": ""}, whole | {"why": 1}, whole | {"objects": "x"}, [], "x"]
    for error in wrong:
        with pytest.raises(FormatError):
            decode_event(json.dumps(json.loads(encode_event(EVENT)) | {"error": error}))


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text):
    for decode in (decode_pointer, decode_event):
        with pytest.raises((FormatError, UnsupportedFormatError)):
            decode(text)


def test_only_the_end_is_last():
    last = [kind for kind in EventType if WorkerEvent("", 0, 0, "", kind).is_last]
    assert last == [EventType.DONE, EventType.FAILED]


def test_errors_fit_however_long_they_are():
    long = "\N{OPTICAL DISC}" * 10**5
    objects = (long, *("\N{OPTICAL DISC}" * 128 for _ in range(100)))
    error = EventError.of(IntegrityError(long, why=long, cure=long, objects=objects))
    assert (error.code, len(error.objects)) == ("damaged", 8)
    event = WorkerEvent("ab" * 16, 1, 1, "", EventType.FAILED, message=shortened(long), error=error, exit_status=1)
    assert len(encode_event(event).encode()) < 64 * 1024 - 1
    assert decode_event(encode_event(event)) == event
