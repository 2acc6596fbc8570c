"""The one place where errors of libcurl become errors of Holdfast."""

import pycurl

from holdfast.domain.errors import HoldfastError, IntegrityError, UnavailableError, UsageError

_CURES = {
    pycurl.E_COULDNT_RESOLVE_HOST: "check the region and the name of the endpoint, and this machine's name service",
    pycurl.E_COULDNT_RESOLVE_PROXY: "check the proxy in the environment (http_proxy, https_proxy)",
    pycurl.E_COULDNT_CONNECT: "check that the endpoint is right and running, and that no firewall is between",
    pycurl.E_PEER_FAILED_VERIFICATION: "set AWS_CA_BUNDLE to the authority that signed the endpoint's certificate",
    pycurl.E_SSL_CACERT_BADFILE: "set AWS_CA_BUNDLE to a readable PEM file",
}
_USUAL_CURE = "check the network and the endpoint, then run the command again"
_MALFORMED = frozenset({pycurl.E_URL_MALFORMAT, pycurl.E_UNSUPPORTED_PROTOCOL})


def translate_curl_error(number: int, message: str, method: str, endpoint: str) -> HoldfastError:
    """What libcurl's error `number` means to a person; `endpoint` is scheme, host and port."""
    what = f"{method} request to {endpoint} failed"
    if number in _MALFORMED:
        return UsageError(what, why=message or "the URL is malformed", cure="correct the endpoint")
    if number == pycurl.E_ABORTED_BY_CALLBACK:
        message = "the connection ended before the answer came"
    why = message or f"libcurl error {number}"
    if number == pycurl.E_FILESIZE_EXCEEDED and method == "GET":  # asking again brings the same
        cure = "somebody has put it there, or the endpoint is no AWS-compatible service"
        return IntegrityError(what, why="the answer is larger than any that is right", cure=cure)
    return UnavailableError(what, why=why, cure=_CURES.get(number, _USUAL_CURE))


def transport_closed() -> UnavailableError:
    """The transport was closed, or broke, while this request was waiting."""
    return UnavailableError(
        "request not finished", why="the connection pool was closed meanwhile", cure="run the command again"
    )
