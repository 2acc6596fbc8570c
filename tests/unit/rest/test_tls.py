"""Each side trusts the one certificate that it has pinned."""

import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.domain.errors import (
    CertificateError,
    ConflictError,
    NotAuthenticatedError,
    ThrottledError,
    UnavailableError,
    UsageError,
)
from holdfast.lab.listening import port_for_later
from holdfast.protocol.certificates import fingerprint_of, same_fingerprint
from holdfast.rest.client.appliance import enrol
from holdfast.rest.client.failures import offered_at
from holdfast.rest.client.server import HoldfastClient
from holdfast.rest.tls import (
    client_context,
    keep_certificate,
    make_certificate,
    server_context,
)
from tests.unit.rest.small_appliance import CODE, NOW, SmallAppliance, identity, running


def test_a_certificate_signs_no_other_and_holds_for_long():
    _, pem = make_certificate("a name " * 20, NOW)
    certificate = x509.load_pem_x509_certificate(pem)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc < datetime.now(UTC)
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365 * 20)
    assert make_certificate("a", NOW)[0] != make_certificate("a", NOW)[0]


def test_a_certificate_is_kept_and_its_key_is_its_owners(tmp_path):
    key, certificate = keep_certificate(tmp_path / "tls", "name", NOW)
    before = key.read_bytes(), certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert keep_certificate(tmp_path / "tls", "name", NOW) == (key, certificate)
    assert (key.read_bytes(), certificate.read_bytes()) == before


def test_fingerprints_as_people_write_them():
    _, pem = make_certificate("name", NOW)
    digits = fingerprint_of(pem.decode())
    assert digits == fingerprint_of(ssl.PEM_cert_to_DER_cert(pem.decode()))
    assert same_fingerprint(digits, ":".join(digits[n : n + 2] for n in range(0, 64, 2)).upper())
    assert not same_fingerprint(digits, digits[:-1])
    with pytest.raises(UsageError):
        fingerprint_of("no certificate")


def test_a_changed_certificate_is_named_with_both_fingerprints_and_can_be_fetched(tmp_path):
    appliance = SmallAppliance(tmp_path)
    listen = f"127.0.0.1:{port_for_later()}"
    with running(tmp_path, appliance, listen=listen) as before:
        pass
    with running(tmp_path, appliance, certificate_name="another", listen=listen) as after:
        client = before.client()
        with pytest.raises(CertificateError) as caught:
            client.send("GET", "/appliance")
        assert fingerprint_of(before.certificate) in caught.value.why
        assert fingerprint_of(after.certificate) in caught.value.why
        with pytest.raises(CertificateError):
            next(client.events("/sessions/x/events"))
        assert offered_at(after.url) == after.certificate
        client.close()
        accepted = after.client(certificate=after.certificate)
        assert accepted.send("GET", "/appliance")["api"] == 1
        accepted.close()


def test_a_clock_that_is_wrong_is_not_taken_for_another_certificate(tmp_path):
    """Made ten days from now, as this machine's clock sees it."""
    keep_certificate(tmp_path / "early", "early", NOW + timedelta(days=10))
    with running(tmp_path, SmallAppliance(tmp_path), certificate_name="early") as one:
        client = one.client()
        with pytest.raises(UnavailableError, match="the certificate that is trusted") as caught:
            client.send("GET", "/appliance")
        client.close()
    assert (NOW + timedelta(days=9)).date().isoformat() in caught.value.why
    assert "clock" in caught.value.cure


def test_a_client_without_a_pin_trusts_the_systems_authorities_only(server):
    client = HoldfastClient(server.url, server.token(), None, sleep=lambda seconds: None)
    with pytest.raises(CertificateError, match="not trusted"):
        client.send("GET", "/server")
    client.close()


def test_a_certificate_signed_by_the_pinned_one_is_not_trusted(tmp_path):
    """Who has a server's key could sign others with it: nobody is to believe them."""
    key, certificate = keep_certificate(tmp_path, "pinned", NOW)
    pinned = x509.load_pem_x509_certificate(certificate.read_bytes())
    signer = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    own = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "forged")]))
        .issuer_name(pinned.subject)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "forged.key").write_bytes(own.private_bytes(encoding, form, serialization.NoEncryption()))
    (tmp_path / "forged.pem").write_bytes(forged.public_bytes(encoding))
    with pytest.raises(ssl.SSLError):
        handshake(
            server_context(tmp_path / "forged.key", tmp_path / "forged.pem"), client_context(certificate.read_text())
        )
    with pytest.raises(ssl.SSLError):
        handshake(
            server_context(key, certificate, (certificate.read_text(),)),
            client_context(certificate.read_text(), tmp_path / "forged.key", tmp_path / "forged.pem"),
        )
    handshake(server_context(key, certificate), client_context(certificate.read_text()))


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Both ends in memory; raises what either raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(to_server, to_client, server_side=True), client.wrap_bio(to_client, to_server)]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[1]


def test_old_versions_of_tls_are_refused(tmp_path):
    key, certificate = keep_certificate(tmp_path, "name", NOW)
    server, client = server_context(key, certificate), client_context(certificate.read_text())
    assert {server.minimum_version, client.minimum_version} == {ssl.TLSVersion.TLSv1_2}
    assert handshake(server, client).version() == "TLSv1.3"
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(server, client).version() == "TLSv1.2"


def test_plain_http_gets_nothing(appliance):
    host, port = appliance.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /api/v1/appliance HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            received = connection.recv(1000)
        except ConnectionResetError:
            received = b""
        assert b"HTTP" not in received


def test_enrolment(appliance, client):
    other = identity(appliance.folder, "other")
    fingerprint = fingerprint_of(appliance.certificate)
    with pytest.raises(NotAuthenticatedError, match="code is wrong"):
        enrol(appliance.url, fingerprint, "guess", other)
    with pytest.raises(CertificateError):
        enrol(appliance.url, "00" * 32, CODE, other)
    client.send("GET", "/appliance")
    enrolled = enrol(appliance.url, fingerprint.upper(), CODE, other)
    assert enrolled.certificate == appliance.certificate
    assert enrolled.facts.owner == fingerprint_of(other.certificate.read_text())
    theirs = appliance.client(other)
    assert theirs.send("GET", "/appliance")["owner"] == enrolled.facts.owner
    theirs.send("DELETE", "/enrolment")
    with pytest.raises(NotAuthenticatedError):
        theirs.send("GET", "/appliance")
    theirs.close()


def test_a_farewell_is_taken_back(appliance, client):
    assert client.send("POST", "/farewell") == {"unfinished": 0, "left": []}
    assert client.send("GET", "/appliance")["leaving"]
    assert client.send("DELETE", "/farewell") is None
    assert not client.send("GET", "/appliance")["leaving"]


def test_an_appliance_of_nobody_takes_its_first_owner_while_it_runs(tmp_path):
    small = SmallAppliance(tmp_path)
    with running(tmp_path, small, owned=False) as one:
        first, second = identity(tmp_path, "first"), identity(tmp_path, "second")
        for owner in (first, second, first):
            enrol(one.url, fingerprint_of(one.certificate), CODE, owner)
            small.former.discard(small.owner)
            client = one.client(owner)
            assert client.send("GET", "/appliance")["owner"] == fingerprint_of(owner.certificate.read_text())
            client.close()
        late = one.client(second)
        with pytest.raises(ConflictError):
            late.send("GET", "/appliance")
        late.close()


def test_a_code_is_sent_to_no_other_than_the_named_one(tmp_path):
    appliance = SmallAppliance(tmp_path)
    seen: list[str] = []
    appliance.enrol = lambda code, server_id, certificate: seen.append(code)  # type: ignore[method-assign]
    with running(tmp_path, appliance) as one, pytest.raises(CertificateError):
        enrol(one.url, "ab" * 32, CODE, one.owner)
    assert seen == []


def test_codes_can_be_tried_ten_times_a_minute(tmp_path):
    now = 100.0
    with running(tmp_path, SmallAppliance(tmp_path), clock=lambda: now) as one:
        other, fingerprint = identity(tmp_path, "other"), fingerprint_of(one.certificate)
        for _ in range(10):
            with pytest.raises(NotAuthenticatedError):
                enrol(one.url, fingerprint, "guess", other)
        with pytest.raises(ThrottledError):
            enrol(one.url, fingerprint, CODE, other)
        now += 61
        assert enrol(one.url, fingerprint, CODE, other).facts.api == 1


def test_nobody_is_there(tmp_path):
    with running(tmp_path, SmallAppliance(tmp_path)) as one:
        pass
    client = one.client()
    with pytest.raises(UnavailableError):
        client.send("GET", "/appliance")
    with pytest.raises(UnavailableError):
        offered_at(one.url)
    client.close()


def test_what_only_looks_like_a_certificate_is_refused():
    """A context that was to trust it would not be made, neither now nor at the next start."""
    junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(UsageError, match="cannot be read"):
        fingerprint_of(junk)
