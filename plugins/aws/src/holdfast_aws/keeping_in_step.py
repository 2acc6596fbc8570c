"""The server's mirror of an appliance, kept in step: one turn asks for what changed and hands it on.

The server's record says how far the mirror goes; nothing is remembered here, so either side may start anew at any time.
What stands in the way is told to the server as the appliance's state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.domain.errors import (
    CertificateError,
    ConflictError,
    HoldfastError,
    NotAuthenticatedError,
    NotFoundError,
    UnavailableError,
)
from holdfast.domain.infrastructure import ApplianceState
from holdfast.plugin_api import ApplianceConnection
from holdfast_aws.doors import ServerConnection

PAGE = 500
# A page that the server did not take is asked for again by half; after so many that it took, by twice as much.
GOOD_PAGES = 4
# An appliance answers at once when something changes; else so long after it was asked: the mirror is never older.
WAIT_SECONDS = 25
# A state is said again so often, for a server that has forgotten it.
TOLD_FOR_SECONDS = 120.0


@dataclass(slots=True)
class _Told:
    state: ApplianceState | None = None
    reason: str = ""
    at_seconds: float = 0.0


class KeepingInStep:
    """Keeps one appliance's mirror in step."""

    def __init__(
        self,
        name: str,
        server: ServerConnection,
        appliance: ApplianceConnection,
        offered: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        """`offered` gives the certificate that the appliance shows now."""
        self._path = f"/appliances/{name}"
        self._server = server
        self._appliance = appliance
        self._offered = offered
        self._monotonic = monotonic
        self._told = _Told()
        self._limit, self._good_pages = PAGE, 0

    def turn(self) -> bool:
        """Take over what is new, waiting for it a while; False when the appliance cannot be asked, or what it tells is
        not taken.

        Raises what the server answers: without it there is nothing to do.
        """
        reached = int(self._server.send("GET", f"{self._path}/sync")["usn"])
        # The first turn waits for nothing: how the appliance stands is to be known soon.
        wait_seconds = WAIT_SECONDS if self._told.state == ApplianceState.AVAILABLE else 0
        query = {"after": str(reached), "limit": str(self._limit), "wait_seconds": str(wait_seconds)}
        try:
            page = self._appliance.send("GET", "/changes", None, query)
        except CertificateError as error:
            return self._stands(ApplianceState.CERTIFICATE_CHANGED, error, self._look())
        except (ConflictError, NotAuthenticatedError) as error:
            # One that was reset, or obeys another server by now, does not take this server's certificate.
            return self._stands(ApplianceState.OWNED_BY_ANOTHER, error)
        except HoldfastError as error:
            # Whatever it is, the appliance is of no use now; the reason is shown.
            return self._stands(ApplianceState.UNAVAILABLE, error)
        try:
            self._server.send("POST", f"{self._path}/sync", page)
        except (NotAuthenticatedError, NotFoundError, UnavailableError):
            raise
        except HoldfastError as error:
            return self._refused(page["changes"], error)
        self._grow()
        self._tell(ApplianceState.AVAILABLE, "", None)
        return True

    def _refused(self, changes: Sequence[Any], error: HoldfastError) -> bool:
        """One that is too large is asked for in parts, down to the one change that the server does not take: that is
        said, for nothing behind it is mirrored.
        """
        self._limit, self._good_pages = max(1, min(self._limit, len(changes)) // 2), 0
        if len(changes) > 1:
            return True
        named = f"{changes[0]['kind']} {changes[0]['id']}" if changes else "what it tells"
        self._tell(
            ApplianceState.UNAVAILABLE,
            f"the server cannot take over {named}, and what has changed since: {error.what}: {error.why}",
            None,
        )
        return False

    def _grow(self) -> None:
        self._good_pages += 1
        if self._good_pages == GOOD_PAGES:
            self._limit, self._good_pages = min(PAGE, 2 * self._limit), 0

    def _look(self) -> str | None:
        try:
            return self._offered()
        except HoldfastError:
            # It went away meanwhile; the next turn sees what it is then.
            return None

    def _stands(self, state: ApplianceState, error: HoldfastError, offered: str | None = None) -> bool:
        if state == ApplianceState.CERTIFICATE_CHANGED and offered is None:
            state = ApplianceState.UNAVAILABLE
        self._tell(state, f"{error.what}: {error.why}", offered)
        return False

    def _tell(self, state: ApplianceState, reason: str, offered: str | None) -> None:
        """The server's record says whether it is news; here only that it is not said all the time."""
        now_seconds = self._monotonic()
        known = self._told
        if (known.state, known.reason) == (state, reason) and now_seconds - known.at_seconds < TOLD_FOR_SECONDS:
            return
        self._server.send(
            "POST", f"{self._path}/state", {"state": state, "reason": reason, "offered_certificate": offered}
        )
        self._told = _Told(state, reason, now_seconds)
