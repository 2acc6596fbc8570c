"""A restore from a repository, as the fleet sees it: a worker that writes new snapshots, one for each volume."""

from collections.abc import Mapping

from holdfast.appliance.ports.cloud import Ownership, VolumeOrder, WorkerOrder
from holdfast.appliance.ports.repositories import PreparedWork, VolumeTarget
from holdfast.appliance.restores.order import RestoreOrders
from holdfast.appliance.restores.plan import RestorePlanner, Source
from holdfast.appliance.surface import OWN_ACCOUNT, Surface
from holdfast.appliance.workers.errands import ErrandFacts
from holdfast.domain import ownership
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import IntegrityError
from holdfast.domain.restore_point import RestorePoint

GIB = 1024**3


class RestoreErrand:
    """Its temporary snapshots bear the tags of the attempt from their first moment, and are in the ledger before:
    what a lost worker has left is found by both.
    """

    def __init__(self, surface: Surface, planner: RestorePlanner, orders: RestoreOrders, facts: ErrandFacts) -> None:
        self._surface = surface
        self._planner = planner
        self._orders = orders
        self._facts = facts

    @property
    def facts(self) -> ErrandFacts:
        """As given."""
        return self._facts

    def prepare(self, attempt: int) -> PreparedWork:
        """Pin the point, and write where each volume goes."""
        facts, (source, volumes) = self._facts, self._wanted()
        point, tags = source.point, self._owner(attempt).tags()
        encryption = self._planner.snapshot_encryption(volumes, facts.region)
        targets = []
        for device in volumes:
            about = f"Holdfast: restore of {point.workload.id} {device}"
            facts_of = {"kind": "ebs", "region": facts.region, "description": about, "tags": tags}
            size_gib = -(-source.sizes_bytes[device] // GIB)
            targets.append(
                VolumeTarget(device, {**facts_of, "volume_size_gib": size_gib, **encryption[device].words()})
            )
            self._surface.records.ledger.intend(self._row(attempt, device))
        tenant = self._surface.tenant(point.workload.account)
        with self._surface.repositories.open(point.repository or "") as repository:
            return repository.prepare_restore(facts.work, attempt, point.id, tenant, targets)

    def order(self, owner: Ownership, work: PreparedWork) -> WorkerOrder:
        """A worker in the region of the restore."""
        source, volumes = self._wanted()
        encryption = self._planner.snapshot_encryption(volumes, self._facts.region)
        return WorkerOrder(
            owner=owner,
            repository_location=work.location,
            repository_session=work.session,
            writes_snapshots=True,
            reads_versions=work.reads_versions,
            kms_key_arns=tuple(sorted({one.key for one in encryption.values() if one.key})),
            volume_bytes=sum(source.sizes_bytes[device] for device in volumes),
        )

    def finished(self, attempt: int) -> bool:
        """Whether there is a result."""
        return self.restored(attempt) is not None

    def restored(self, attempt: int) -> dict[str, str] | None:
        """Device -> snapshot id, of every volume that was ordered. Raises IntegrityError for another result."""
        with self._surface.repositories.open(self._repository()) as repository:
            told = repository.restored(self._facts.work, attempt)
        if told is None:
            return None
        made = {device: facts.get("snapshot_id", "") for device, facts in told.items()}
        _source, wanted = self._wanted()
        if made.keys() != wanted.keys() or not all(made.values()):
            told_of = ", ".join(sorted(made)) or "no volume"
            raise _not_accepted(f"it tells of {told_of}; ordered were {', '.join(sorted(wanted))}")
        return made

    def check_origin(self, attempt: int, snapshots: Mapping[str, str]) -> None:
        """Raises IntegrityError where the worker names a snapshot that is not of this attempt: it could be anybody's,
        and would be shared, and noted as made here, by which a reaper may come to remove it; or one of them twice.
        """
        if len(set(snapshots.values())) < len(snapshots):
            raise _not_accepted("it names one snapshot for several volumes")
        own = self._surface.cloud.compute(OWN_ACCOUNT, self._facts.region)
        foreign = own.foreign_snapshots(self._owner(attempt), tuple(snapshots.values()))
        if foreign:
            raise _not_accepted(f"{', '.join(foreign)} bears no tags of attempt {attempt} of this restore")

    def note_created(self, attempt: int, snapshots: Mapping[str, str]) -> None:
        """The ledger knows their ids."""
        ledger, now = self._surface.records.ledger, self._surface.surroundings.now()
        for device, snapshot_id in snapshots.items():
            ledger.created(ledger.intend(self._row(attempt, device)).id, snapshot_id, now)

    def share(self, snapshots: Mapping[str, str]) -> None:
        """Workers write into the appliance's account: another account must be able to read what they wrote."""
        workload = self._point().workload
        if self._surface.account(workload.account).role_arn is not None:
            own = self._surface.cloud.compute(OWN_ACCOUNT, self._facts.region)
            own.share_snapshots(tuple(snapshots.values()), self._surface.tenant(workload.account))

    def end(self) -> None:
        """The point need not be pinned any more."""
        with self._surface.repositories.open(self._repository()) as repository:
            repository.end_reading(self._facts.work)

    def _wanted(self) -> tuple[Source, Mapping[str, VolumeOrder]]:
        """What is restored, and the volumes that are made of it."""
        wish = self._orders.of(self._facts.session_id).wish
        source = self._planner.source(wish.point)
        return source, self._planner.volumes(wish, source)

    def _point(self) -> RestorePoint:
        return self._surface.records.points.get(self._orders.of(self._facts.session_id).wish.point)

    def _repository(self) -> str:
        return self._point().repository or ""

    def _row(self, attempt: int, device: str) -> LedgerRow:
        facts, token = self._facts, f"restore/{self._facts.task_id}/{attempt}/{device}"
        return self._surface.intent(self._owner(attempt), "snapshot", OWN_ACCOUNT.name, facts.region, token)

    def _owner(self, attempt: int) -> Ownership:
        return self._surface.owner(self._facts.session_id, self._facts.task_id, ownership.RESTORE, attempt)


def _not_accepted(why: str) -> IntegrityError:
    cure = "run the restore again; if it happens again, find out what runs on the worker"
    return IntegrityError("the worker's result is not accepted", why=why, cure=cure)
