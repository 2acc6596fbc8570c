"""What the use cases of the appliance touch, and how patient they are: fitted once, by `wiring/appliance.py`."""

import hashlib
from dataclasses import dataclass, field, replace

from holdfast.appliance.ports.cloud import Cloud, Ownership
from holdfast.appliance.ports.engine import Engine
from holdfast.appliance.ports.local_workers import LocalWorkers
from holdfast.appliance.ports.records import Records
from holdfast.appliance.ports.repositories import OpenRepositories
from holdfast.appliance.ports.surroundings import Surroundings
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.infrastructure import Account
from holdfast.domain.secret_box import TravellingBox

# The appliance's own account, where workers run (W03); no name that a person could give.
OWN_ACCOUNT = Account(name="")
_EXTERNAL_ID = "external id of an account"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, and how often."""

    snapshot_poll_seconds: float = 5.0
    worker_poll_seconds: float = 1.0
    silence_seconds: float = 60.0
    silent_limit_seconds: float = 900.0
    boot_timeout_seconds: float = 600.0
    quota_pause_seconds: float = 60.0
    quota_patience_seconds: float = 3600.0
    turn_poll_seconds: float = 1.0
    # A retrieval takes hours; the store may be out of reach for some time meanwhile.
    cold_silence_seconds: float = 3600.0
    status_poll_seconds: float = 5.0
    # EC2 checks once a minute; a large machine that repairs its file systems at boot answers late.
    status_checks_seconds: float = 900.0
    # A session that just ended may still have a clean-up of its own under way.
    reaper_grace_seconds: float = 300.0
    # What no session of ours is known for may belong to one that is being opened.
    stranger_grace_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class EngineSlot:
    """The engine is made of the workflows, and workflows start others: they find it here once it runs."""

    _engines: list[Engine] = field(default_factory=list)

    def put(self, engine: Engine) -> None:
        """The engine that runs from now on."""
        self._engines[:] = [engine]

    def __call__(self) -> Engine:
        """The engine."""
        return self._engines[0]


@dataclass(frozen=True, slots=True)
class Surface:
    """Everything together."""

    appliance_id: str
    region: str
    records: Records
    cloud: Cloud
    repositories: OpenRepositories
    local_workers: LocalWorkers
    secrets: TravellingBox
    surroundings: Surroundings
    engine: EngineSlot = field(default_factory=EngineSlot)
    patience: Patience = Patience()

    def owner(self, session_id: str, task_id: str, purpose: str, attempt: int = 1) -> Ownership:
        """The tags of what a task creates."""
        return Ownership(self.appliance_id, session_id, task_id, attempt, purpose)

    def intent(
        self, owner: Ownership, kind: str, account: str, region: str, token: str, object_id: str = ""
    ) -> LedgerRow:
        """A row of the ledger, as it is written before anything is done."""
        now = self.surroundings.now()
        return owner.intent(derived_id(token), kind, account, region, token, now, object_id)

    def tenant(self, account_name: str) -> str:
        """What an account is called in repositories: its AWS id."""
        account = self.account(account_name)
        return account.account_id or self.cloud.identity(account)

    def account(self, name: str) -> Account:
        """A registered account by name. Raises NotFoundError."""
        return OWN_ACCOUNT if name == OWN_ACCOUNT.name else self._with_external_id(self.records.accounts.get(name))

    def accounts(self) -> list[Account]:
        """Every registered account, as it is worked in."""
        return [self._with_external_id(account) for account in self.records.accounts.all()]

    def put_account(self, account: Account) -> Account:
        """Add or replace; as it may be shown. Its external id is kept apart, sealed: no list and no server has it."""
        sealed = None
        if account.external_id is not None:
            sealed = self.secrets.seal(account.external_id.encode(), _EXTERNAL_ID)
        self.records.settings.put_sealed(_external_id_of(account.name), sealed)
        shown = replace(account, external_id=None)
        self.records.accounts.put(shown)
        return shown

    def remove_account(self, name: str) -> None:
        """With its external id. Raises NotFoundError."""
        self.records.accounts.remove(name)
        self.records.settings.put_sealed(_external_id_of(name), None)

    def _with_external_id(self, account: Account) -> Account:
        sealed = self.records.settings.sealed(_external_id_of(account.name))
        if sealed is None:
            return account
        return replace(account, external_id=self.secrets.open(sealed, _EXTERNAL_ID).decode())


def _external_id_of(name: str) -> str:
    return f"external-id/{name}"


def derived_id(*parts: str) -> str:
    """An id that follows from others: who asks again, after a crash, gets the same."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
