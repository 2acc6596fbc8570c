"""Our signer against botocore's, on generated requests."""

import string
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.signed_http.sigv4 import EMPTY_PAYLOAD_SHA256, UNSIGNED_PAYLOAD, Credentials, SigV4Signer

TOKEN_CHARACTERS = string.ascii_letters + string.digits
MOMENTS = st.integers(1_000_000_000, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SECRETS = st.text(TOKEN_CHARACTERS + "+/=", min_size=1, max_size=60)
CREDENTIALS = st.builds(
    Credentials, st.text(TOKEN_CHARACTERS, min_size=1, max_size=30), SECRETS, st.one_of(st.none(), SECRETS)
)
SEGMENTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["", ".", "..", "a b", "%25", "ü/ß", "+", "~*'()!", "a:b@c;d,e"])
)
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda parts: "/" + "/".join(quote(part, safe="-_.~/") for part in parts))
WORDS = st.text(max_size=10).map(lambda text: quote(text, safe="-_.~"))
PAIRS = st.lists(st.one_of(st.tuples(WORDS, WORDS).map("=".join), WORDS.filter(bool)), max_size=5)
HEADER_NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=12).map("x-test-{}".format)
HEADER_VALUES = st.text(string.ascii_letters + string.digits + " \t,;=\"'/*", max_size=30)
HEADERS = st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=5)
HOSTS = st.sampled_from(["s3.eu-central-1.amazonaws.com", "127.0.0.1:5000", "bucket.s3.amazonaws.com", "[::1]:8080"])
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
METHODS = st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])


def botocore_headers(auth, method, host, path, query, headers, payload_sha256, now) -> dict[str, str]:
    """What botocore puts into the request it signs, at the time `now`."""
    url = f"https://{host}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, headers=dict(headers))
    request.context["payload_signing_enabled"] = payload_sha256 != UNSIGNED_PAYLOAD
    auth.payload = lambda request: payload_sha256
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: now)
        auth.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


REQUESTS = st.tuples(
    METHODS, HOSTS, PATHS, PAIRS.map("&".join), HEADERS, st.one_of(HASHES, st.just(UNSIGNED_PAYLOAD)), MOMENTS
)


@pytest.mark.parametrize(
    ("service", "s3_flavour", "kind"),
    [("s3", True, botocore.auth.S3SigV4Auth), ("ebs", False, botocore.auth.SigV4Auth)],
)
@settings(max_examples=1000)
@given(credentials=CREDENTIALS, region=st.sampled_from(["us-east-1", "cn-north-1", "x"]), request=REQUESTS)
def test_signatures_are_those_of_botocore(service, s3_flavour, kind, credentials, region, request):
    method, host, path, query, headers, payload_sha256, now = request
    theirs = kind(
        BotocoreCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token),
        service,
        region,
    )
    expected = botocore_headers(theirs, method, host, path, query, headers, payload_sha256, now)
    signer = SigV4Signer(service, region, s3_flavour=s3_flavour)
    signed = signer.sign(method, host, path, query, headers, payload_sha256, credentials, now)
    assert signed.pop("host") == host
    assert signed == expected


NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ONE = Credentials("ONE", "secret one")


def sign(signer: SigV4Signer, credentials: Credentials = ONE, now: datetime = NOON) -> dict[str, str]:
    return signer.sign("GET", "host", "/", "", {}, EMPTY_PAYLOAD_SHA256, credentials, now)


def test_a_cached_key_serves_only_its_day_and_secret():
    kept = SigV4Signer("s3", "us-east-1", s3_flavour=True)
    for credentials in (ONE, Credentials("ONE", "another secret"), ONE):
        for now in (NOON, NOON + timedelta(days=1), NOON):
            fresh = SigV4Signer("s3", "us-east-1", s3_flavour=True)
            assert sign(kept, credentials, now) == sign(fresh, credentials, now)


def test_the_time_zone_of_now_does_not_matter():
    signer = SigV4Signer("ebs", "us-east-1")
    assert sign(signer, now=NOON.astimezone(timezone(timedelta(hours=9)))) == sign(signer)


def test_what_proxies_change_is_sent_but_not_signed():
    signer = SigV4Signer("ebs", "us-east-1")
    headers = {"expect": "100-continue", "user-agent": "holdfast"}
    signed = signer.sign("GET", "host", "/", "", headers, EMPTY_PAYLOAD_SHA256, ONE, NOON)
    assert signed["expect"] == "100-continue"
    assert "SignedHeaders=host;x-amz-date," in signed["authorization"]


def test_secrets_stay_out_of_repr():
    shown = repr(Credentials("ID", "the secret", "the token"))
    assert "ID" in shown
    assert "the " not in shown
