"""The server's ledger as a deployment writes it: what it makes, for which session, and the tags that say so."""

from collections.abc import Callable
from datetime import datetime

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.written_down import token_of
from holdfast.domain.cloud_ledger import CloudLedger, LedgerRow
from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.domain.ownership import DEPLOYMENT, PURPOSE, SERVER, SESSION

# Deployments are made with the server's own credentials, in no registered account.
OWN_ACCOUNT = ""


class DeploymentLedger:
    """Rows of one session in one region."""

    def __init__(
        self, ledger: CloudLedger, server_id: str, session_id: str, region: str, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._server_id = server_id
        self._session_id = session_id
        self._region = region
        self._now = now

    def tags(self, name: str) -> dict[str, str]:
        """The tags of what this session makes. An appliance looks after none of it: they name none."""
        return {SERVER: self._server_id, SESSION: self._session_id, PURPOSE: DEPLOYMENT, "Name": f"holdfast {name}"}

    def create(self, kind: str, name: str, make: Callable[[str], str]) -> str:
        """The id of what `make` creates with the client token that it is handed; written down before and after."""
        owner = Ownership(self._server_id, self._session_id, name, 1, DEPLOYMENT)
        token = token_of(owner, kind, name)
        row = self._ledger.intend(owner.intent(token, kind, OWN_ACCOUNT, self._region, token, self._now()))
        object_id = make(token)
        self._ledger.created(row.id, object_id, self._now())
        return object_id

    def create_by_one_call(self, kind: str, name: str, make: Callable[[str], str]) -> str:
        """The same where nothing was made when `make` raises what a refusal means: nobody has to look for it then."""
        try:
            return self.create(kind, name, make)
        except UnavailableError:
            # It may have been made all the same.
            raise
        except HoldfastError:
            for row in self.open_rows():
                if (row.kind, row.task_id, row.object_id) == (kind, name, ""):
                    self.dropped(row.id)
            raise

    def gone(self, kind: str, object_id: str) -> None:
        """It exists no more."""
        self._ledger.gone(kind, object_id, self._now())

    def dropped(self, row_id: str) -> None:
        """It was never created."""
        self._ledger.dropped(row_id, self._now())

    def seconds_since(self, moment: datetime) -> float:
        """How long ago that was."""
        return (self._now() - moment).total_seconds()

    def open_rows(self) -> list[LedgerRow]:
        """What this session made, or may have made, and what is still there."""
        return self._ledger.open_rows(session_id=self._session_id)
