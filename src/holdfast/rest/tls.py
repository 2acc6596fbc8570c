"""Self-made certificates, and contexts that trust exactly the certificates that were pinned.

No authority stands between server and appliance: each remembers the other's certificate. A certificate of ours signs
no other one, so that trusting it trusts nothing else.
"""

import os
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from holdfast.domain.errors import CertificateError, UnavailableError
from holdfast.domain.time import format_time
from holdfast.protocol.certificates import der_of, fingerprint_of

# Trust ends when a person says so, not when a date comes; clocks may differ by a day.
LIFETIME = timedelta(days=365 * 30)
_CLOCK_TOLERANCE = timedelta(days=1)


def make_certificate(name: str, now: datetime) -> tuple[bytes, bytes]:
    """(private key, certificate), both PEM, of a new key on the curve P-256. `name` is for a person who looks at it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_TOLERANCE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("holdfast")]), critical=False)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private_key, certificate.public_bytes(serialization.Encoding.PEM)


def keep_certificate(folder: Path, name: str, now: datetime) -> tuple[Path, Path]:
    """(private key, certificate) in the folder: those that are there, or new ones. The key is its owner's alone."""
    key_path, certificate_path = folder / "private-key.pem", folder / "certificate.pem"
    if not (key_path.exists() and certificate_path.exists()):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, certificate = make_certificate(name, now)
        _write(key_path, key)
        _write(certificate_path, certificate)
    return key_path, certificate_path


def server_context(key_path: Path, certificate_path: Path, pinned: tuple[str, ...] = ()) -> ssl.SSLContext:
    """For a server that shows this certificate, and asks for one where some are `pinned` (PEM) or will be (`trust`).

    A client may come without one; one that is not pinned is refused before a request is read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_path, key_path)
    for certificate in pinned:
        trust(context, certificate)
    return context


def trust(context: ssl.SSLContext, certificate: str) -> None:
    """From now on a client may show this certificate, too; while the server runs."""
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=der_of(certificate))


def client_context(
    pinned: str | None, key_path: Path | None = None, certificate_path: Path | None = None
) -> ssl.SSLContext:
    """For a client that trusts the one certificate `pinned` (PEM) and no other, or the system's authorities with None.

    With a key and certificate it shows them.
    """
    context = ssl.create_default_context() if pinned is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pinned is not None:
        context.check_hostname = False  # who it is stands in the certificate itself
        context.load_verify_locations(cadata=der_of(pinned))
    if key_path is not None and certificate_path is not None:
        context.load_cert_chain(certificate_path, key_path)
    return context


def offered_certificate(host: str, port: int, timeout_seconds: float = 10.0) -> str:
    """The certificate (PEM) that stands there now, trusted or not: to be shown to a person. Raises OSError."""
    return ssl.get_server_certificate((host, port), timeout=timeout_seconds)


def changed_certificate(place: str, pinned: str, offered: str) -> CertificateError:
    """The error that names both."""
    return CertificateError(
        f"{place} shows another certificate than the one that was trusted",
        why=f"trusted is {fingerprint_of(pinned)}, offered is {fingerprint_of(offered)} (SHA-256)",
        cure="find out why it changed; if it is right, accept it, else somebody stands in between",
    )


def not_its_time(place: str, pinned: str, complaint: str) -> UnavailableError:
    """The error of the certificate that was trusted, where a clock says that it does not hold: it passes with that."""
    certificate = x509.load_der_x509_certificate(der_of(pinned))
    first, last = format_time(certificate.not_valid_before_utc), format_time(certificate.not_valid_after_utc)
    return UnavailableError(
        f"{place} shows the certificate that is trusted, and it does not hold now",
        why=f"{complaint}, says the clock of this machine: it holds from {first} to {last}",
        cure="set the clock of this machine right; if it is, the certificate was made where the clock was wrong",
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and nobody else's from the first byte on."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
