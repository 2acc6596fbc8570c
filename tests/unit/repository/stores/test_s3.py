"""The S3 store against answers that a test decides: refusals, odd ranges, renewed credentials, addresses."""

import base64
import hashlib
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    NotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    ThrottledError,
    UnavailableError,
    UsageError,
)
from holdfast.patience import RetryPolicy
from holdfast.repository.object_store import Coldness, StorageTerms
from holdfast.repository.stores.location import open_store
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.signed_http.messages import HttpRequest, HttpResponse
from holdfast.signed_http.sigv4 import Credentials
from holdfast.signed_http.transport import CurlTransport
from holdfast.testing.object_store_contract import keys, put
from tests.unit.repository.stores.s3_answers import refusal
from tests.unit.signed_http.loopback import Answer, Asked, serving

BODY = bytes(range(256)) * 4
NOW = datetime(2026, 3, 1, tzinfo=UTC)

REFUSALS = [
    (412, "PreconditionFailed", ObjectExistsError),
    (409, "ConditionalRequestConflict", UnavailableError),
    (503, "SlowDown", ThrottledError),
    (503, "ServiceUnavailable", ThrottledError),
    (500, "InternalError", UnavailableError),
    (400, "RequestTimeout", UnavailableError),
    (403, "AccessDenied", PermissionDeniedError),
    (403, "InvalidAccessKeyId", PermissionDeniedError),
    (403, "SignatureDoesNotMatch", PermissionDeniedError),
    (400, "ExpiredToken", PermissionDeniedError),
    (403, "RequestTimeTooSkewed", PermissionDeniedError),
    (404, "NoSuchBucket", NotFoundError),
    (400, "BadDigest", IntegrityError),
    (507, "InsufficientStorage", OutOfSpaceError),
    (400, "InvalidRequest", HoldfastError),
]


@pytest.mark.parametrize(("status", "code", "kind"), REFUSALS)
def test_a_refused_write_becomes_the_right_error(opened, status, code, kind):
    store, _ = opened(lambda asked: refusal(status, code))
    with pytest.raises(HoldfastError) as caught:
        put(store, "packs/00/one")
    assert type(caught.value) is kind
    assert caught.value.cure
    if kind is PermissionDeniedError:
        assert "s3:PutObject" in caught.value.what
        assert "s3://bucket/some/prefix/packs/00/one" in caught.value.what


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", ObjectNotFoundError),
        (404, "NoSuchBucket", NotFoundError),
        (403, "AccessDenied", PermissionDeniedError),
        (503, "SlowDown", ThrottledError),
        (403, "InvalidObjectState", NeedsRetrievalError),
        (400, "InvalidRequest", PermissionDeniedError),  # under a customer's key (SSE-C)
    ],
)
def test_a_refused_read_becomes_the_right_error(opened, status, code, kind):
    store, _ = opened(lambda asked: refusal(status, code))
    with pytest.raises(HoldfastError) as caught:
        store.get("config")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(404), ObjectNotFoundError),
        (Answer(403), PermissionDeniedError),
        (Answer(400), PermissionDeniedError),  # under a customer's key (SSE-C), or of credentials that have expired
        (Answer(503), ThrottledError),
        (Answer(500), UnavailableError),
        (None, UnavailableError),
    ],
)
def test_a_refused_head_becomes_the_right_error(opened, answer, kind):
    store, _ = opened(lambda asked: answer)
    with pytest.raises(HoldfastError) as caught:
        store.head("config")
    assert type(caught.value) is kind


@pytest.mark.parametrize("quote", ["", '"', "&quot;"])
def test_a_refusal_names_the_action_that_s3_says_was_denied(opened, quote):
    """A bucket that encrypts by default: S3 asks KMS as whoever writes."""
    key = "arn:aws:kms:eu-central-1:123456789012:key/0"
    words = f"User: arn:aws:iam::1:user/a is not authorized to perform: kms:GenerateDataKey on resource: {quote}{key}"
    store, _ = opened(lambda asked: refusal(403, "AccessDenied", message=f"{words}{quote} because no policy allows it"))
    with pytest.raises(PermissionDeniedError) as caught:
        put(store, "config")
    assert caught.value.what == f"kms:GenerateDataKey on {key} was refused"
    assert "s3:PutObject on s3://bucket/some/prefix/config needs it" in caught.value.cure
    assert "repository-keys" in caught.value.cure


@pytest.mark.parametrize("ask", [lambda store: keys(store), lambda store: list(store.versions(""))])
def test_a_missing_bucket_is_said_with_a_cure(opened, ask):
    store, server = opened(lambda asked: refusal(404, "NoSuchBucket"))
    with pytest.raises(NotFoundError) as caught:
        ask(store)
    assert not isinstance(caught.value, ObjectNotFoundError)
    assert "bucket bucket" in caught.value.what
    assert str(server.server_address[1]) in caught.value.why
    assert "create the bucket" in caught.value.cure


def test_a_store_that_knows_no_versions_has_none(opened):
    store, _ = opened(lambda asked: refusal(501, "NotImplemented"))
    assert list(store.versions("")) == []


def test_the_right_region_is_named(opened):
    answer = refusal(301, "PermanentRedirect", {"x-amz-bucket-region": "eu-central-1"})
    store, _ = opened(lambda asked: answer)
    with pytest.raises(UsageError) as caught:
        put(store, "config")
    assert "?region=eu-central-1" in caught.value.cure


def test_an_endpoint_that_is_not_there_is_named():
    with serving(lambda asked: None) as server:
        url = server.url
    store = open_store(f"s3://bucket/p?endpoint={url}", retry=RetryPolicy(attempts=1))
    for ask in (lambda: store.get("config"), lambda: store.head("config"), lambda: keys(store)):
        with pytest.raises(UnavailableError) as caught:
            ask()
        assert url.removeprefix("http://") in str(caught.value)
    store.close()


def test_without_credentials_nothing_is_opened(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PermissionDeniedError) as caught:
        open_store("s3://bucket/p?region=us-east-1")
    assert "AWS_ACCESS_KEY_ID" in caught.value.cure


def test_a_profile_that_does_not_exist_is_a_usage_error(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(UsageError, match="no-such-profile"):
        open_store("s3://bucket/p")


# ------------------------------------------------------------------------------------------------------- what is sent


def test_every_write_is_conditional_and_carries_its_checksum(opened):
    store, server = opened(lambda asked: Answer(200), storage_class="STANDARD_IA")
    put(store, "packs/00/one", BODY)
    put(store, "config", BODY)
    pack, config = server.asked
    for asked in (pack, config):
        assert asked.method == "PUT"
        assert asked.body == BODY
        assert asked.headers["if-none-match"] == "*"
        checksum = hashlib.sha256(BODY)
        assert asked.headers["x-amz-checksum-sha256"] == base64.b64encode(checksum.digest()).decode()
        assert asked.headers["x-amz-content-sha256"] == checksum.hexdigest()
    assert pack.path == "/bucket/some/prefix/packs/00/one"
    assert pack.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert "x-amz-storage-class" not in config.headers


def test_a_refusal_of_a_large_body_costs_no_upload(opened):
    store, server = opened(lambda asked: refusal(412, "PreconditionFailed"))
    with pytest.raises(ObjectExistsError):
        put(store, "packs/00/large", bytes(4 * 1024 * 1024))
    assert server.continued == 1  # this server consents first; the header is what asks


class RenewedSession(AwsSession):
    """Credentials that are others at every request, as an instance role's become now and then."""

    def __init__(self) -> None:
        super().__init__("us-east-1")
        self.issued = 0

    def credentials(self) -> Credentials:
        self.issued += 1
        return Credentials(f"ID{self.issued}", "secret", f"token{self.issued}")


def test_renewed_credentials_are_used_at_once():
    session = RenewedSession()
    with serving(lambda asked: Answer(200, BODY)) as server:
        store = S3Store(S3Location("bucket", endpoint=server.url), session, CurlTransport(), clock=lambda: NOW)
        store.get("config")
        store.get("config")
        store.close()
    tokens = [asked.headers["x-amz-security-token"] for asked in server.asked]
    ids = [asked.headers["authorization"].partition("Credential=")[2].partition("/")[0] for asked in server.asked]
    assert len(set(tokens)) == 2
    assert [name.replace("ID", "token") for name in ids] == tokens


class RecordingTransport(CurlTransport):
    """Answers everything with an empty object and keeps what was asked."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    def submit(self, request: HttpRequest) -> Future[HttpResponse]:
        self.requests.append(request)
        future: Future[HttpResponse] = Future()
        future.set_result(HttpResponse(200, {}, b""))
        return future

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (S3Location("bucket", "p", "eu-central-1"), "https://bucket.s3.eu-central-1.amazonaws.com/p/a%20b"),
        (S3Location("bucket", "", "us-east-1"), "https://bucket.s3.us-east-1.amazonaws.com/a%20b"),
        (S3Location("bucket", "", "cn-north-1"), "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b"),
        (S3Location("with.dots", "p", "eu-central-1"), "https://s3.eu-central-1.amazonaws.com/with.dots/p/a%20b"),
        (S3Location("bucket", "p", "eu-west-1", path_style=True), "https://s3.eu-west-1.amazonaws.com/bucket/p/a%20b"),
        (S3Location("bucket", "p", "x", "http://127.0.0.1:9000"), "http://127.0.0.1:9000/bucket/p/a%20b"),
        (S3Location("bucket", "p", "x", "https://minio.example"), "https://minio.example/bucket/p/a%20b"),
        (S3Location("bucket", "p", "x", "https://m.example", path_style=False), "https://bucket.m.example/p/a%20b"),
    ],
)
def test_objects_are_addressed_as_the_endpoint_wants_it(place, url):
    transport = RecordingTransport()
    store = S3Store(place, AwsSession(place.region), transport)
    store.get("a b")
    assert transport.requests[0].url == url
    assert transport.requests[0].headers["host"] == url.split("/")[2]


def test_the_location_names_an_endpoint_that_is_not_amazons_wherever_it_was_set(monkeypatch):
    place = S3Location("bucket", "p", "us-east-1")
    amazon = S3Store(place, AwsSession(place.region), RecordingTransport())
    assert amazon.location == "s3://bucket/p?region=us-east-1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
    other = S3Store(place, AwsSession(place.region), RecordingTransport())
    assert other.location == "s3://bucket/p?endpoint=http://127.0.0.1:9000&region=us-east-1"


# ------------------------------------------------------------------------------------------------------ what comes back


def whole(asked: Asked) -> Answer:
    return Answer(200, BODY)


def part(asked: Asked) -> tuple[int, int]:
    begin, _, end = asked.headers["range"].removeprefix("bytes=").partition("-")
    return int(begin), min(int(end) + 1 if end else len(BODY), len(BODY))


def ranged(asked: Asked) -> Answer:
    begin, end = part(asked)
    if begin >= len(BODY):
        return refusal(416, "InvalidRange")
    return Answer(206, BODY[begin:end], {"content-range": f"bytes {begin}-{end - 1}/{len(BODY)}"})


def ranged_with_status_200(asked: Asked) -> Answer:
    if asked.method == "HEAD" or "range" not in asked.headers:
        return Answer(200, BODY)
    begin, end = part(asked)
    return Answer(200, BODY[begin:end])


@pytest.mark.parametrize("decide", [whole, ranged, ranged_with_status_200])
@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 10), (5, 10), (1000, 100), (0, 1024), (0, 5000), (1023, 1), (512, 512), (512, None), (1, 1024)],
)
def test_a_range_is_exact_whatever_the_server_makes_of_it(opened, decide, offset, length):
    store, _ = opened(decide)
    wanted = BODY[offset:] if length is None else BODY[offset : offset + length]
    assert bytes(store.get("config", offset, length)) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, BODY[:10], {"content-range": "bytes 0-9/1024"}),
        Answer(206, BODY[5:30], {"content-range": "bytes 5-29/1024"}),
        Answer(206, BODY[5:10], {"content-range": "bytes 5-14/1024"}),
        Answer(206, BODY[5:15]),
        Answer(200, BODY[:77]),
    ],
)
def test_an_answer_that_fits_nothing_is_not_used(opened, answer):
    store, _ = opened(lambda asked: Answer(200, BODY) if asked.method == "HEAD" else answer)
    with pytest.raises(UnavailableError):
        store.get("config", 5, 10)


@pytest.mark.parametrize(
    ("checksum", "expected"),
    [
        (base64.b64encode(hashlib.sha256(BODY).digest()).decode(), hashlib.sha256(BODY).digest()),
        (base64.b64encode(hashlib.sha256(BODY).digest()).decode() + "-3", None),
        ("", None),
    ],
)
def test_only_a_checksum_of_the_whole_object_counts(opened, checksum, expected):
    headers = {"x-amz-checksum-sha256": checksum, "x-amz-version-id": "null"}
    store, server = opened(lambda asked: Answer(200, BODY, headers))
    found = store.head("config")
    assert (found.size_bytes, found.sha256, found.version) == (len(BODY), expected, None)
    assert server.asked[0].headers["x-amz-checksum-mode"] == "ENABLED"


def test_what_is_no_key_of_ours_is_left_out_of_lists(opened):
    names = ["", "a", "b/", "incoming/x", "ü", "z"]
    contents = "".join(f"<Contents><Key>some/prefix/{name}</Key><Size>1</Size></Contents>" for name in names)
    page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()
    store, _ = opened(lambda asked: Answer(200, page, {"content-type": "application/xml"}))
    assert keys(store) == ["a", "z"]


@pytest.mark.parametrize("sent_share", [0.0, 0.5])
def test_a_list_that_is_cut_off_is_no_short_list(opened, sent_share):
    contents = "".join(f"<Contents><Key>some/prefix/{number}</Key><Size>1</Size></Contents>" for number in range(50))
    page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()
    cut = Answer(200, page[: int(len(page) * sent_share)], announced_bytes=len(page), cut=True)
    for answer in (cut, Answer(200, b"")):
        store, _ = opened(lambda asked, answer=answer: answer)
        with pytest.raises(UnavailableError):
            keys(store)


def test_more_than_an_object_can_hold_is_not_received(opened):
    store, server = opened(lambda asked: Answer(200, b"x", announced_bytes=1 << 40))
    with pytest.raises(IntegrityError) as caught:
        store.get("config")
    assert caught.value.objects == ("config",)
    assert len(server.asked) == 1  # asking again brings the same


# ------------------------------------------------------------------------------------------------------ archive classes


@pytest.mark.parametrize(
    ("headers", "coldness"),
    [
        ({}, None),
        ({"x-amz-storage-class": "GLACIER_IR"}, None),
        ({"x-amz-storage-class": "GLACIER"}, Coldness()),
        ({"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": 'ongoing-request="true"'}, Coldness(under_way=True)),
        (
            {
                "x-amz-storage-class": "GLACIER",
                "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
            },
            Coldness(readable_until=datetime(2012, 12, 21, tzinfo=UTC)),
        ),
    ],
)
def test_a_head_says_how_far_a_retrieval_is(opened, headers, coldness):
    store, _ = opened(lambda asked: Answer(200, b"", headers))
    assert store.head("packs/00/one").coldness == coldness


def test_a_head_whose_end_cannot_be_read(opened):
    restore = 'ongoing-request="false", expiry-date="soon"'
    store, _ = opened(lambda asked: Answer(200, b"", {"x-amz-storage-class": "GLACIER", "x-amz-restore": restore}))
    with pytest.raises(UnavailableError):
        store.head("packs/00/one")


def test_a_retrieval_is_one_request(opened):
    store, server = opened(lambda asked: Answer(202))
    store.retrieve("packs/00/one", 3, Tier.EXPEDITED)
    (asked,) = server.asked
    assert asked.path.partition("?") == ("/bucket/some/prefix/packs/00/one", "?", "restore")
    assert b"<Days>3</Days>" in asked.body
    assert b"<Tier>Expedited</Tier>" in asked.body


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "RestoreAlreadyInProgress", None),
        (403, "InvalidObjectState", None),
        (404, "NoSuchKey", ObjectNotFoundError),
        (503, "GlacierExpeditedRetrievalNotAvailable", ThrottledError),
        (400, "InvalidArgument", UsageError),
        (403, "AccessDenied", PermissionDeniedError),
    ],
)
def test_a_refused_retrieval_becomes_the_right_error(opened, status, code, kind):
    store, _ = opened(lambda asked: refusal(status, code))
    if kind is None:
        store.retrieve("packs/00/one", 1, Tier.BULK)
        return
    with pytest.raises(HoldfastError) as caught:
        store.retrieve("packs/00/one", 1, Tier.BULK)
    assert type(caught.value) is kind


@pytest.mark.parametrize("archive_class", list(ArchiveClass))
def test_an_object_goes_where_its_terms_say(opened, archive_class):
    store, server = opened(lambda asked: Answer(200), storage_class="STANDARD_IA")
    store.create("packs/00/one", BODY, hashlib.sha256(BODY).digest(), StorageTerms(archive_class=archive_class))
    store.create("packs/00/two", BODY, hashlib.sha256(BODY).digest())
    assert [asked.headers.get("x-amz-storage-class") for asked in server.asked] == [archive_class, "STANDARD_IA"]
