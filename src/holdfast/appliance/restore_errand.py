"""A restore from a repository, as the fleet sees it: a worker that writes new snapshots, one for each volume."""

from collections.abc import Mapping

from holdfast.appliance.errands import ErrandFacts
from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.appliance.ports.repositories import PreparedWork, VolumeTarget
from holdfast.appliance.restore_plan import RestorePlanner
from holdfast.appliance.surface import OWN_ACCOUNT, Surface, derived_id
from holdfast.domain import ownership
from holdfast.domain.cloud_ledger import LedgerRow

GIB = 1024**3


class RestoreErrand:
    """Its temporary snapshots bear the tags of the attempt from their first moment, and are in the ledger before:
    what a lost worker has left is found by both.
    """

    def __init__(
        self, surface: Surface, planner: RestorePlanner, facts: ErrandFacts, point_id: str, devices: tuple[str, ...]
    ) -> None:
        self._surface = surface
        self._planner = planner
        self._facts = facts
        self._point_id = point_id
        self._devices = devices

    @property
    def facts(self) -> ErrandFacts:
        """As given."""
        return self._facts

    def prepare(self, attempt: int) -> PreparedWork:
        """Pin the point, and write where each volume goes."""
        facts, source = self._facts, self._planner.source(self._point_id)
        point = source.point
        targets = [
            VolumeTarget(
                device,
                {
                    "kind": "ebs",
                    "region": facts.region,
                    "description": f"Holdfast: restore of {point.workload.id} {device}",
                    "tags": tags_of(self._owner(attempt)),
                    "volume_size_gib": -(-source.sizes_bytes[device] // GIB),
                },
            )
            for device in self._devices
        ]
        for device in self._devices:
            self._surface.records.ledger.intend(self._row(attempt, device))
        tenant = self._surface.tenant(point.workload.account)
        with self._surface.repositories.open(point.repository or "") as repository:
            return repository.prepare_restore(facts.work, attempt, point.id, tenant, targets)

    def order(self, owner: Ownership, work: PreparedWork) -> WorkerOrder:
        """A worker in the region of the restore."""
        sizes = self._planner.source(self._point_id).sizes_bytes
        return WorkerOrder(
            owner=owner,
            repository_location=work.location,
            repository_session=work.session,
            writes_snapshots=True,
            volume_bytes=sum(sizes[device] for device in self._devices),
        )

    def finished(self, attempt: int) -> bool:
        """Whether there is a result."""
        return self.restored(attempt) is not None

    def restored(self, attempt: int) -> dict[str, str] | None:
        """Device -> snapshot id."""
        with self._surface.repositories.open(self._repository()) as repository:
            told = repository.restored(self._facts.work, attempt)
        return None if told is None else {device: facts["snapshot_id"] for device, facts in told.items()}

    def note_created(self, attempt: int, snapshots: Mapping[str, str]) -> None:
        """The ledger knows their ids."""
        ledger, now = self._surface.records.ledger, self._surface.surroundings.now()
        for device, snapshot_id in snapshots.items():
            ledger.created(ledger.intend(self._row(attempt, device)).id, snapshot_id, now)

    def share(self, snapshots: Mapping[str, str]) -> None:
        """Workers write into the appliance's account: another account must be able to read what they wrote."""
        workload = self._surface.records.points.get(self._point_id).workload
        if self._surface.account(workload.account).role_arn is not None:
            own = self._surface.cloud.compute(OWN_ACCOUNT, self._facts.region)
            own.share_snapshots(tuple(snapshots.values()), self._surface.tenant(workload.account))

    def end(self) -> None:
        """The point need not be pinned any more."""
        with self._surface.repositories.open(self._repository()) as repository:
            repository.end_restore(self._facts.work)

    def _repository(self) -> str:
        return self._surface.records.points.get(self._point_id).repository or ""

    def _row(self, attempt: int, device: str) -> LedgerRow:
        facts, token = self._facts, f"restore/{self._facts.task_id}/{attempt}/{device}"
        return LedgerRow(
            id=derived_id(token),
            kind="snapshot",
            account=OWN_ACCOUNT.name,
            region=facts.region,
            session_id=facts.session_id,
            task_id=facts.task_id,
            attempt=attempt,
            purpose=ownership.RESTORE,
            token=token,
            object_id="",
            intended_at=self._surface.surroundings.now(),
            created_at=None,
            gone_at=None,
        )

    def _owner(self, attempt: int) -> Ownership:
        return self._surface.owner(self._facts.session_id, self._facts.task_id, ownership.RESTORE, attempt)


def tags_of(owner: Ownership) -> dict[str, str]:
    """The tags by which something is known as ours."""
    return {
        ownership.APPLIANCE: owner.appliance_id,
        ownership.SESSION: owner.session_id,
        ownership.TASK: owner.task_id,
        ownership.ATTEMPT: str(owner.attempt),
        ownership.PURPOSE: owner.purpose,
    }
