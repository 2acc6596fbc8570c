"""The server's mirror of an appliance, kept in step: one turn asks for what changed and hands it on.

The server's record says how far the mirror goes; nothing is remembered here, so either side may start anew at any time.
What stands in the way is told to the server as the appliance's state.
"""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.domain.errors import CertificateError, ConflictError, HoldfastError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import ApplianceConnection
from holdfast.protocol.encoding import from_document
from holdfast_aws.doors import ServerConnection

PAGE = 500
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
        open_appliance: Callable[[Appliance], ApplianceConnection],
        offered: Callable[[str], str],
        monotonic: Callable[[], float],
    ) -> None:
        """`offered` gives the certificate that is shown at a URL now."""
        self._path = f"/appliances/{name}"
        self._server = server
        self._open_appliance = open_appliance
        self._offered = offered
        self._monotonic = monotonic
        self._door: ApplianceConnection | None = None
        self._opened: tuple[str, str] | None = None
        self._told = _Told()

    def turn(self) -> bool:
        """Take over what is new, waiting for it a while; False when the appliance cannot be asked.

        Raises what the server answers: without it there is nothing to do.
        """
        appliance = from_document(Appliance, self._server.send("GET", self._path), "the appliance")
        reached = int(self._server.send("GET", f"{self._path}/sync")["usn"])
        query = {"after": str(reached), "limit": str(PAGE), "wait_seconds": str(WAIT_SECONDS)}
        try:
            page = self._connection(appliance).send("GET", "/changes", None, query)
        except CertificateError as error:
            return self._stands(ApplianceState.CERTIFICATE_CHANGED, error, self._look_at(appliance))
        except ConflictError as error:
            return self._stands(ApplianceState.OWNED_BY_ANOTHER, error)
        except HoldfastError as error:
            # Whatever it is, the appliance is of no use now; the reason is shown.
            return self._stands(ApplianceState.UNAVAILABLE, error)
        self._tell(ApplianceState.AVAILABLE, "", None)
        self._server.send("POST", f"{self._path}/sync", page)
        return True

    def close(self) -> None:
        """Close the connection to the appliance."""
        if self._door is not None:
            self._door.close()
            self._door = None

    def _connection(self, appliance: Appliance) -> ApplianceConnection:
        """Opened anew when the server has pinned another certificate."""
        wanted = (appliance.url, appliance.certificate)
        if self._door is None or self._opened != wanted:
            self.close()
            self._door = self._open_appliance(appliance)
            self._opened = wanted
        return self._door

    def _look_at(self, appliance: Appliance) -> str | None:
        try:
            return self._offered(appliance.url)
        except HoldfastError:
            # It went away meanwhile; the next turn sees what it is then.
            return None

    def _stands(self, state: ApplianceState, error: HoldfastError, offered: str | None = None) -> bool:
        self.close()
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
