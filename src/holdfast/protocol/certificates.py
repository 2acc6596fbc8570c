"""Certificates as processes and people name them: PEM, and the SHA-256 by which two are compared."""

import hashlib
import ssl

from cryptography import x509

from holdfast.domain.errors import UsageError


def fingerprint_of(certificate: str | bytes) -> str:
    """The SHA-256 in hex of a certificate: PEM as text, DER as bytes. Raises UsageError."""
    if isinstance(certificate, str):
        certificate = der_of(certificate)
    return hashlib.sha256(certificate).hexdigest()


def same_fingerprint(one: str, other: str) -> bool:
    """Whether both mean the same, however people write them: with colons or spaces, in capitals."""
    return _digits(one) == _digits(other)


def der_of(certificate: str) -> bytes:
    """A certificate in the PEM form, as TLS reads it. Raises UsageError."""
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.strip())
        x509.load_der_x509_certificate(der)
        return der
    except ValueError as error:
        raise UsageError(
            "a certificate cannot be read", why=str(error), cure="hand in one certificate in the PEM form"
        ) from None


def _digits(fingerprint: str) -> str:
    return "".join(character for character in fingerprint.lower() if character not in ": \n")
