"""What the routes ask of an appliance, in their words; `appliance/service.py` does it. Every call may take its time."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from holdfast.domain.collection import CollectionWish
from holdfast.domain.history import SessionHistory
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.restore import InstanceRestore, RestorePlan, VolumeRestore
from holdfast.domain.restore_point import RestorePoint, SnapshotPlace
from holdfast.domain.session import LogLine, Session
from holdfast.protocol.appliance_answers import (
    AccountCheck,
    ApplianceFacts,
    AwsSettings,
    ChangePage,
    FarewellState,
    LaneState,
    PointDetail,
    PolicyApplied,
    RepositoryRescanned,
    RepositoryRescanOrder,
    SessionDetail,
    SnapshotsRescanned,
    StoredPolicy,
)


class Ownership(Protocol):
    """Whose the appliance is."""

    def facts(self) -> ApplianceFacts:
        """Who it is."""

    def check_caller(self, certificate_sha256: str) -> None:
        """Whether the certificate is the owner's. Raises ConflictError for a former owner's, else
        NotAuthenticatedError.
        """

    def enrol(self, code: str, server_id: str, certificate: str) -> ApplianceFacts:
        """Belong to the server with that certificate (PEM). Raises NotAuthenticatedError for a wrong code."""

    def release(self) -> None:
        """Belong to nobody."""

    def say_farewell(self) -> FarewellState:
        """Begin nothing more, end what runs, remove what only served it."""

    def take_farewell_back(self) -> None:
        """It stays, and begins again what falls due."""

    def configure(self, settings: AwsSettings) -> None:
        """Take over what the plug-in's stack made."""


class Infrastructure(Protocol):
    """Accounts, repositories, and how long history is kept."""

    def put_account(self, account: Account) -> Account:
        """Add or replace."""

    def list_accounts(self) -> Sequence[Account]:
        """By name."""

    def get_account(self, name: str) -> Account:
        """Raises NotFoundError."""

    def remove_account(self, name: str) -> None:
        """Raises NotFoundError, ConflictError while policies or restore points name it."""

    def check_account(self, name: str) -> AccountCheck:
        """Who answers in it, and what is not allowed there."""

    def put_repository(self, repository: RepositoryDefinition, password: str | None) -> RepositoryDefinition:
        """Add or replace, when it opens."""

    def list_repositories(self) -> Sequence[RepositoryDefinition]:
        """By name."""

    def get_repository(self, name: str) -> RepositoryDefinition:
        """Raises NotFoundError."""

    def rescan_repository(self, name: str, order: RepositoryRescanOrder) -> RepositoryRescanned:
        """Take on the restore points that are found in it. Raises ConflictError while another one does, and what
        opening it raises.
        """

    def accept_repository(self, name: str) -> None:
        """It is right as it is now, though it was set back or replaced. Raises what opening it raises."""

    def collect_garbage(self, name: str, wish: CollectionWish) -> Session:
        """Free what no restore point needs. Raises NotFoundError."""

    def check_repository_removal(self, name: str, forget_points: bool) -> None:
        """Raises NotFoundError, ConflictError while policies name it, or restore points that shall stay listed."""

    def remove_repository(self, name: str, forget_points: bool) -> None:
        """The same; and if not, forget it."""

    def get_history(self) -> SessionHistory:
        """How long ended sessions are kept."""

    def put_history(self, history: SessionHistory) -> SessionHistory:
        """From now on."""


class Policies(Protocol):
    """Policies and what is started by hand."""

    def apply_policy(self, document: Mapping[str, Any], dry_run: bool) -> PolicyApplied:
        """Add, change, or say what would be."""

    def list_policies(self) -> Sequence[StoredPolicy]:
        """By priority, then age."""

    def get_policy(self, name: str) -> StoredPolicy:
        """Raises NotFoundError."""

    def remove_policy(self, name: str) -> None:
        """Its restore points stay."""

    def run_policy(self, name: str, targets: tuple[str, ...]) -> Session:
        """Run it now; no targets: all that it has."""

    def stop_policy(self, name: str) -> Sequence[Session]:
        """Cancel what runs of it."""

    def enable_policy(self, name: str, enabled: bool) -> StoredPolicy:
        """Whether its schedule counts."""

    def take_snapshot(self, account: str, region: str, instance_id: str, destination: SnapshotPlace | None) -> Session:
        """A manual snapshot, kept there."""

    def limits(self) -> Sequence[LaneState]:
        """Each limit and what it does now."""


class Results(Protocol):
    """Sessions, points, restores."""

    def list_sessions(
        self, *, before: str | None, limit: int, kind: str | None = None, subject: str | None = None
    ) -> Sequence[Session]:
        """Newest first."""

    def get_session(self, session_id: str) -> SessionDetail:
        """By id or unique prefix."""

    def session_log(self, session_id: str, after: int, limit: int) -> Sequence[LogLine]:
        """Oldest first, after that line."""

    def cancel_session(self, session_id: str) -> SessionDetail:
        """Ask for its end."""

    def list_points(self, *, before: str | None, limit: int, workload_id: str | None = None) -> Sequence[RestorePoint]:
        """Newest first."""

    def get_point(self, point_id: str) -> PointDetail:
        """By id or unique prefix."""

    def rescan_snapshots(self, account: str, region: str, lost_appliance: str | None) -> SnapshotsRescanned:
        """Take on the points that are found by the tags of their snapshots."""

    def verify_point(self, point_id: str, worker_mode: str) -> Session:
        """Read an image backup back whole. Raises NotFoundError, UsageError."""

    def delete_point(self, point_id: str) -> Session:
        """Delete it for good."""

    def plan_restore(self, order: InstanceRestore | VolumeRestore) -> RestorePlan:
        """Everything that would happen."""

    def start_restore(self, order: InstanceRestore | VolumeRestore) -> Session:
        """Bring it back."""

    def changes(self, after: int, limit: int, wait_seconds: float) -> ChangePage:
        """What changed after that number; waits at most that long for the first."""


class ApplianceUseCases(Ownership, Infrastructure, Policies, Results, Protocol):
    """All of it."""
