"""What is too much, too deep or not meant is refused with words, and before anything is done."""

import contextlib
import http.client
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.errors import HoldfastError, NotFoundError, UsageError
from holdfast.domain.infrastructure import Account
from holdfast.rest.documents import BODY_LIMIT_BYTES, DEPTH_LIMIT, read_document
from holdfast.rest.tls import client_context
from tests.unit.rest.small_appliance import SmallAppliance, running


def raw(appliance, method, path, body=None, **headers):
    """(status, document) of a request as it stands."""
    host, port = appliance.url.removeprefix("https://").split(":")
    context = client_context(appliance.certificate, appliance.owner.private_key, appliance.owner.certificate)
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=60)
    try:
        connection.request(method, "/api/v1" + path, body, headers, encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def nested(depth):
    return b"[" * depth + b"]" * depth


def test_depth():
    assert read_document(nested(DEPTH_LIMIT))
    assert read_document(json.dumps({"text": "[" * 100 + '\\"[[['}).encode())
    assert read_document(b"[" + b"[],{}," * 1000 + b"1]")
    with pytest.raises(UsageError, match="cannot be read"):
        read_document(nested(DEPTH_LIMIT + 1))
    with pytest.raises(UsageError):
        read_document(b'{"a":' * (DEPTH_LIMIT + 1) + b"1" + b"}" * (DEPTH_LIMIT + 1))
    with pytest.raises(UsageError):
        read_document(nested(400_000))
    assert read_document(b'["\\ud83d\\ude00"]') == ["\U0001f600"]
    with pytest.raises(UsageError):
        read_document(('["\\"",' + "[" * 100_000 + '"').encode("utf-16"))


def test_a_string_that_never_ends_costs_no_more_than_its_length():
    started = time.thread_time()
    with pytest.raises(UsageError):
        read_document(b'"' + b'\\"' * 12_000)
    assert time.thread_time() - started < 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    )
)
def test_what_is_json_is_read_as_it_is(document):
    assert read_document(json.dumps(document).encode()) == document
    assert read_document(json.dumps(document, ensure_ascii=False).encode()) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(UsageError):
        read_document(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"Infinity",
        b'{"a":1,"a":2}',
        b"1" * 5000,
        b"{} {}",
        b'["\\ud800"]',
        b'["\\uDC00"]',
        b'["\xed\xa0\x80"]',
        '["a"]'.encode("utf-16"),
    ],
)
def test_what_is_no_json(body):
    with pytest.raises(UsageError):
        read_document(body)


def test_a_deep_body_is_refused(appliance):
    status, document = raw(appliance, "PUT", "/accounts/a", nested(33))
    assert (status, document["code"]) == (400, "usage")
    assert "deeper" in document["detail"]


def test_a_large_body_is_refused_whatever_its_header_says(appliance):
    large = json.dumps({"name": "a", "description": "x" * BODY_LIMIT_BYTES}).encode()
    status, document = raw(appliance, "PUT", "/accounts/a", large)
    assert (status, document["code"]) == (400, "usage")
    assert "larger" in document["detail"]
    pieces = (large[n : n + 60_000] for n in range(0, len(large), 60_000))
    status, document = raw(appliance, "PUT", "/accounts/a", pieces, **{"Transfer-Encoding": "chunked"})
    assert status == 400
    assert "larger" in document["detail"]


def test_what_is_sent_to_be_enrolled_is_read_ten_times_a_minute_at_most(tmp_path):
    with running(tmp_path, SmallAppliance(tmp_path), clock=lambda: 100.0) as appliance:
        for _ in range(10):
            assert raw(appliance, "POST", "/enrolment", b"{")[0] == 400
        status, document = raw(appliance, "POST", "/enrolment", b"{")
    assert (status, document["code"]) == (429, "throttled")


def test_a_body_at_the_limit_is_read(appliance, client):
    document = {"name": "a", "description": ""}
    document["description"] = "x" * (BODY_LIMIT_BYTES - len(json.dumps(document, separators=(",", ":"))))
    assert client.send("PUT", "/accounts/a", document)["description"] == document["description"]


@pytest.mark.parametrize(
    ("method", "path", "document", "word"),
    [
        ("PUT", "/accounts/a", {"name": "a", "colour": "red"}, "colour"),
        ("PUT", "/accounts/a", {"name": 5}, "name"),
        ("PUT", "/accounts/a", [], "account"),
        ("PUT", "/accounts/a", {"name": "b"}, "path"),
        ("PUT", "/repositories/a", {"repository": {"name": "a"}}, "location"),
        ("PUT", "/policies/a", {"metadata": {"name": "b"}}, "path"),
        ("PUT", "/policies/a", "text", "apiVersion"),
        ("POST", "/restores/volumes", {"point": "a", "volumes": "x"}, "volumes"),
    ],
)
def test_documents_that_cannot_be_meant(client, method, path, document, word):
    with pytest.raises(UsageError) as caught:
        client.send(method, path, document)
    assert word in caught.value.what + caught.value.why


@pytest.mark.parametrize(
    "query",
    [{"limit": "1001"}, {"limit": "0"}, {"limit": "many"}, {"colour": "red"}, {"before": "0" * 32}],
)
def test_queries_that_cannot_be_meant(client, query):
    with pytest.raises((UsageError, NotFoundError)):
        client.send("GET", "/sessions", query=query)


def test_changes_are_waited_for_no_longer_than_a_minute(client):
    with pytest.raises(UsageError):
        client.send("GET", "/changes", query={"wait_seconds": "61"})
    with pytest.raises(UsageError):
        client.send("GET", "/changes", query={"after": "-1"})


def test_what_is_not_there_is_said(client):
    for method, path in (("GET", "/none"), ("PATCH", "/accounts/a"), ("GET", "/enrolment")):
        with pytest.raises(HoldfastError) as caught:
            client.send(method, path)
        assert caught.value.code == "usage"


def test_names_with_odd_letters_find_their_way(appliance, client):
    appliance.appliance.records.accounts.put(Account("a ü?&b"))
    assert client.send("GET", "/accounts/a%20%C3%BC%3F%26b")["name"] == "a ü?&b"
