"""What httpx and TLS raise becomes an error of ours, here alone."""

import ssl
from urllib.parse import urlsplit

import httpx

from holdfast.domain.errors import CertificateError, HoldfastError, NotAuthenticatedError, UnavailableError, UsageError
from holdfast.rest.tls import changed_certificate, not_its_time, offered_certificate

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: said of none but a trusted one.
_NOT_ITS_TIME = frozenset({9, 10})


def failure(error: httpx.HTTPError | httpx.InvalidURL, place: str, pinned: str | None) -> HoldfastError:
    """The error of a request that has no answer."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return UsageError(f"{place} cannot be asked", why=str(error), cure="check the address")
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return _not_trusted(place, pinned, tls)
    if isinstance(error, httpx.TimeoutException):
        why = "it has not answered in time"
    else:
        why = str(error) or type(error).__name__
    return UnavailableError(
        f"{place} cannot be reached", why=why, cure="see that it runs and that this machine may reach it"
    )


def broke_off(error: HoldfastError) -> bool:
    """Whether the other side was there and hung up: as it does on a certificate that it does not take."""
    return isinstance(error.__cause__, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)


def not_taken(place: str) -> NotAuthenticatedError:
    """The error of a client whose certificate the other side does not know."""
    return NotAuthenticatedError(
        f"{place} does not know who is asking",
        why="it hangs up on the certificate of this server, and answers whoever shows none",
        cure="connect the appliance again with a new enrolment code",
    )


def offered_at(url: str) -> str:
    """The certificate (PEM) that an address shows now, trusted or not. Raises UnavailableError."""
    parts = urlsplit(url)
    try:
        return offered_certificate(parts.hostname or "", parts.port or 443)
    except OSError as error:
        raise UnavailableError(
            f"{url} cannot be reached", why=error.strerror or str(error), cure="see that it runs and may be reached"
        ) from error


def _not_trusted(place: str, pinned: str | None, error: ssl.SSLCertVerificationError) -> HoldfastError:
    if pinned is None:
        return CertificateError(
            f"the certificate of {place} is not trusted",
            why=error.verify_message,
            cure="name the server's certificate: HOLDFAST_SERVER_CERTIFICATE=FILE",
        )
    if error.verify_code in _NOT_ITS_TIME:
        return not_its_time(place, pinned, error.verify_message)
    try:
        return changed_certificate(place, pinned, offered_at(place))
    except UnavailableError as gone:
        return gone


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS at the bottom, however it was wrapped."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
