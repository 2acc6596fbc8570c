"""Which certificate authorities are trusted."""

import importlib.util
import os
import ssl
from collections.abc import Mapping

from holdfast.domain.errors import UsageError

# The names that AWS's own tools, OpenSSL and requests know, in the order in which we ask.
_VARIABLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def trusted_authorities_file(environment: Mapping[str, str] = os.environ) -> str:
    """The PEM file of trusted authorities: the environment's, else the system's, else certifi's.

    Raises UsageError where the environment names a file that is not there, or where there is none at all.
    """
    for variable in _VARIABLES:
        named = environment.get(variable)
        if named and not os.path.isfile(named):
            raise UsageError(
                f"no certificate authorities in {named}",
                why=f"{variable} names a file that does not exist",
                cure=f"correct or unset {variable}",
            )
        if named:
            return named
    system = ssl.get_default_verify_paths().cafile
    if system is not None:
        return system
    if importlib.util.find_spec("certifi") is not None:
        import certifi

        return certifi.where()
    raise UsageError(
        "no certificate authorities found",
        why="neither the environment nor the system names a file of them",
        cure="install the system's ca-certificates, or set AWS_CA_BUNDLE to a PEM file",
    )
