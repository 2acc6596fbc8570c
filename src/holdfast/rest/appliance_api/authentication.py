"""The owner is known by its certificate; nobody else is obeyed."""

import threading
import time
from collections import deque
from collections.abc import Callable
from types import MappingProxyType

from fastapi import Request

from holdfast.domain.errors import ThrottledError
from holdfast.protocol.certificates import fingerprint_of
from holdfast.rest.appliance_api.use_cases import Ownership
from holdfast.rest.authentication import Permission, Scope, peer_certificate

ENROLMENT = ("POST", "/api/v1/enrolment")
_TRIES = 10
_PER_SECONDS = 60.0


class CertificateAuthenticator:
    """`Authenticator` by the certificate that TLS has verified."""

    open_to_all = frozenset({ENROLMENT})
    scheme = MappingProxyType({"type": "mutualTLS"})

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    def caller(self, scope: Scope) -> object:
        """The SHA-256 of the owner's certificate. Raises NotAuthenticatedError, ConflictError."""
        fingerprint = fingerprint_of(peer_certificate(scope))
        self._ownership.check_caller(fingerprint)
        return fingerprint

    def may(self, caller: object, permission: Permission, request: Request) -> bool:
        """The owner may do everything."""
        return permission == Permission.OWNER


class EnrolmentTries:
    """At most ten tries a minute, whoever tries: the code cannot be found by trying."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: deque[float] = deque(maxlen=_TRIES)
        self._lock = threading.Lock()

    def one_more(self) -> None:
        """Raises ThrottledError."""
        with self._lock:
            now = self._clock()
            if len(self._tries) == _TRIES and now - self._tries[0] < _PER_SECONDS:
                raise ThrottledError(
                    "too many enrolments were tried",
                    why=f"at most {_TRIES} are answered within {_PER_SECONDS:.0f} seconds",
                    cure="wait a minute, and look at the code again",
                )
            self._tries.append(now)
