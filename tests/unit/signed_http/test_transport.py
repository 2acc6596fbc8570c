"""The transport against a server on loopback: answers, refusals, and every way in which a connection can fail."""

import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.domain.errors import IntegrityError, UnavailableError, UsageError
from holdfast.signed_http.certificates import trusted_authorities_file
from holdfast.signed_http.messages import HttpRequest, HttpResponse
from holdfast.signed_http.transfer import TransferLimits
from holdfast.signed_http.transport import CurlTransport
from tests.unit.signed_http.loopback import Answer, Asked, serving

WAIT_SECONDS = 120


@pytest.fixture
def open_transport() -> Iterator[Callable[..., CurlTransport]]:
    opened: list[CurlTransport] = []

    def make(**options: object) -> CurlTransport:
        opened.append(CurlTransport(**options))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for transport in opened:
        transport.close()


@pytest.fixture
def transport(open_transport) -> CurlTransport:
    return open_transport(max_connections=4)


def answer_of(future: Future[HttpResponse]) -> HttpResponse:
    return future.result(WAIT_SECONDS)


def failure_of(future: Future[HttpResponse]) -> BaseException | None:
    return future.exception(WAIT_SECONDS)


def test_an_answer_comes_with_status_headers_and_body(transport):
    with serving(lambda asked: Answer(404, b"gone", {"X-Mixed-Case": " spaces  kept inside "})) as server:
        response = answer_of(transport.submit(HttpRequest("GET", server.url + "/a%20b/../c?d=%2F", {"x-one": "1"})))
    assert (response.status, bytes(response.body)) == (404, b"gone")
    assert response.headers["x-mixed-case"] == "spaces  kept inside"
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["x-one"]) == ("GET", "/a%20b/../c?d=%2F", "1")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("expect_continue", [False, True])
def test_a_large_body_is_sent_and_received(transport, kind, expect_continue):
    body = bytes(range(256)) * 65536
    with serving(lambda asked: Answer(200, asked.body)) as server:
        request = HttpRequest(
            "PUT",
            server.url,
            {"x-amz-meta": "m"},
            kind(body),
            max_response_bytes=len(body),
            expect_continue=expect_continue,
        )
        response = answer_of(transport.submit(request))
    assert response.body == body
    assert server.continued == (1 if expect_continue else 0)
    assert "content-type" not in server.asked[0].headers
    assert server.asked[0].headers["content-length"] == str(len(body))


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_an_empty_body_is_sent_as_such(transport, method):
    with serving(lambda asked: Answer(204)) as server:
        response = answer_of(transport.submit(HttpRequest(method, server.url, {}, b"")))
    assert response.status == 204
    assert (server.asked[0].method, server.asked[0].headers["content-length"]) == (method, "0")


def test_head_has_headers_and_no_body(transport):
    with serving(lambda asked: Answer(200, b"x" * 5_000_000)) as server:
        response = answer_of(transport.submit(HttpRequest("HEAD", server.url, max_response_bytes=10)))
    assert response.headers["content-length"] == "5000000"
    assert response.body == b""


def test_a_handle_keeps_nothing_of_the_request_before(open_transport):
    transport = open_transport(max_connections=1)
    with serving(lambda asked: Answer(200, asked.method.encode())) as server:
        first = HttpRequest("PUT", server.url, {"x-only-first": "1", "content-type": "text/plain"}, b"body")
        requests = [first, HttpRequest("HEAD", server.url), HttpRequest("GET", server.url, {"x-second": "2"})]
        bodies = [bytes(answer_of(transport.submit(request)).body) for request in requests]
    assert bodies == [b"PUT", b"", b"GET"]
    last = server.asked[-1]
    assert last.body == b""
    assert not {"x-only-first", "content-type", "content-length"} & set(last.headers)


def test_connections_are_kept_and_bounded(open_transport):
    transport = open_transport(max_connections=3)
    with serving(lambda asked: Answer(200, asked.path.encode())) as server:
        futures = [transport.submit(HttpRequest("GET", f"{server.url}/{number}")) for number in range(60)]
        assert [bytes(answer_of(future).body) for future in futures] == [b"/%d" % number for number in range(60)]
        assert server.connections <= 3


def test_many_threads_share_one_transport(transport):
    with serving(lambda asked: Answer(200, asked.path.encode())) as server:
        wrong: list[str] = []

        def work(name: int) -> None:
            for number in range(20):
                path = f"/{name}/{number}"
                if bytes(answer_of(transport.submit(HttpRequest("GET", server.url + path))).body) != path.encode():
                    wrong.append(path)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(server.asked) == 160


@pytest.mark.parametrize("chunked", [False, True])
def test_more_than_was_allowed_is_not_received(transport, chunked):
    with serving(lambda asked: Answer(200, b"x" * 200_000, chunked=chunked)) as server:
        error = failure_of(transport.submit(HttpRequest("GET", server.url, max_response_bytes=100_000)))
        exact = answer_of(transport.submit(HttpRequest("GET", server.url, max_response_bytes=200_000)))
    assert isinstance(error, IntegrityError)
    assert len(exact.body) == 200_000


def test_an_announced_flood_is_refused_before_it_comes(transport):
    with serving(lambda asked: Answer(200, b"x", announced_bytes=1 << 50)) as server:
        error = failure_of(transport.submit(HttpRequest("GET", server.url)))
    assert isinstance(error, IntegrityError)


@pytest.mark.parametrize(
    "answer", [None, Answer(200, b"half", announced_bytes=8, cut=True)], ids=["no answer", "half an answer"]
)
def test_a_cut_connection_is_an_error_with_cause_and_cure(transport, answer):
    with serving(lambda asked: answer) as server:
        error = failure_of(transport.submit(HttpRequest("GET", server.url)))
    assert isinstance(error, UnavailableError)
    assert server.url in error.what
    assert error.why
    assert error.cure


def test_the_transport_works_after_a_failure(open_transport):
    transport = open_transport(max_connections=1)
    answers = iter([None, Answer(200, b"half", announced_bytes=8, cut=True), Answer(200, b"whole")])
    with serving(lambda asked: next(answers)) as server:
        futures = [transport.submit(HttpRequest("PUT", server.url, {}, b"x")) for _ in range(3)]
        assert [type(failure_of(future)) for future in futures] == [UnavailableError, UnavailableError, type(None)]
        assert answer_of(futures[2]).body == b"whole"


@pytest.mark.parametrize(("method", "sendings"), [("PUT", 1), ("POST", 1), ("DELETE", 1), ("GET", 2)])
def test_only_a_read_is_sent_again_unasked(open_transport, method, sendings):
    """A kept connection ends without an answer: the server may have done it, and only the caller can find out."""
    transport = open_transport(max_connections=1)
    answers = iter([Answer(200), None, Answer(412)])
    with serving(lambda asked: next(answers)) as server:
        answer_of(transport.submit(HttpRequest("GET", server.url)))
        future = transport.submit(HttpRequest(method, server.url, {}, None if method == "GET" else b"body"))
        error = failure_of(future)
    assert len(server.asked) == 1 + sendings
    assert isinstance(error, UnavailableError) == (sendings == 1)


def test_nobody_listens(transport):
    with serving(lambda asked: Answer()) as server:
        url = server.url
    error = failure_of(transport.submit(HttpRequest("GET", url)))
    assert isinstance(error, UnavailableError)
    assert url in str(error)
    assert "endpoint" in error.cure


def test_a_name_that_does_not_exist(transport):
    error = failure_of(transport.submit(HttpRequest("GET", "http://no-such-host.invalid/")))
    assert isinstance(error, UnavailableError)
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://[broken"])
def test_other_protocols_are_refused(transport, url):
    assert isinstance(failure_of(transport.submit(HttpRequest("GET", url))), UsageError)


def test_a_server_that_says_nothing_is_given_up(open_transport):
    released = threading.Event()

    def wait(asked: Asked) -> Answer:
        released.wait(WAIT_SECONDS)
        return Answer()

    transport = open_transport(limits=TransferLimits(connect_seconds=1, stall_seconds=1))
    with serving(wait) as server:
        error = failure_of(transport.submit(HttpRequest("GET", server.url)))
        released.set()
    assert isinstance(error, UnavailableError)


def test_closing_fails_what_is_under_way_and_ends_the_thread(open_transport):
    released = threading.Event()

    def wait(asked: Asked) -> Answer:
        released.wait(WAIT_SECONDS)
        return Answer()

    before = set(threading.enumerate())
    transport = open_transport(max_connections=1)
    with serving(wait) as server:
        futures = [transport.submit(HttpRequest("GET", server.url)) for _ in range(3)]
        transport.close()
        released.set()
        assert [type(failure_of(future)) for future in futures] == [UnavailableError] * 3
        with pytest.raises(UnavailableError):
            transport.submit(HttpRequest("GET", server.url))
    transport.close()
    assert "signed-http" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_what_was_cancelled_is_not_sent(open_transport):
    released = threading.Event()

    def wait(asked: Asked) -> Answer:
        released.wait(WAIT_SECONDS)
        return Answer(200, b"done")

    transport = open_transport(max_connections=1)
    with serving(wait) as server:
        first, second, third = (transport.submit(HttpRequest("GET", f"{server.url}/{n}")) for n in "123")
        assert second.cancel()
        released.set()
        assert answer_of(first).body == answer_of(third).body == b"done"
        with pytest.raises(CancelledError):
            second.result(WAIT_SECONDS)
    assert [asked.path for asked in server.asked] == ["/1", "/3"]


def test_what_cannot_be_sent_fails_alone(open_transport):
    transport = open_transport(max_connections=1)
    with serving(lambda asked: Answer(200, b"fine")) as server:
        broken = transport.submit(HttpRequest("GET", server.url, {"x-bad": "\ud800"}))
        assert isinstance(failure_of(broken), UnicodeEncodeError)
        assert answer_of(transport.submit(HttpRequest("GET", server.url))).body == b"fine"


class BreakingTransport(CurlTransport):
    """Its I/O thread dies as soon as there is something to do."""

    def _wait_for_events(self) -> None:
        super()._wait_for_events()
        raise MemoryError("planned")


def test_a_fault_of_the_thread_reaches_everybody_who_waits():
    transport = BreakingTransport(max_connections=1)
    with serving(lambda asked: None) as server:
        future = transport.submit(HttpRequest("GET", server.url))
        assert isinstance(failure_of(future), MemoryError)
        transport.close()
        with pytest.raises(UnavailableError):
            transport.submit(HttpRequest("GET", server.url))


# ------------------------------------------------------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "holdfast test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    no_password = serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(built.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password))
    return path


@pytest.fixture
def context(certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_of_the_authority_given_is_accepted(open_transport, certificate, context, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with serving(lambda asked: Answer(200, b"secret"), context) as server:
        assert answer_of(open_transport().submit(HttpRequest("GET", server.url))).body == b"secret"


def test_any_other_certificate_is_refused(transport, context):
    with serving(lambda asked: Answer(200, b"secret"), context) as server:
        error = failure_of(transport.submit(HttpRequest("GET", server.url)))
    assert isinstance(error, UnavailableError)
    assert "AWS_CA_BUNDLE" in error.cure
    assert server.asked == []


def test_a_bundle_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"no/such\.pem"):
        trusted_authorities_file({"AWS_CA_BUNDLE": "no/such.pem"})


def test_without_a_word_the_system_is_trusted():
    with open(trusted_authorities_file({}), encoding="utf-8") as bundle:
        assert "BEGIN CERTIFICATE" in bundle.read()
