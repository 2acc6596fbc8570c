"""A verification, as the fleet sees it: a worker that reads packs, and writes nothing but its result."""

from dataclasses import dataclass

from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.appliance.ports.repositories import PreparedWork, Verified
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import ErrandFacts
from holdfast.domain.policy import WorkerChoice


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Which point, and where it lies; `size_bytes` of its volumes."""

    point: str
    repository: str
    tenant: str
    size_bytes: int


class VerifyErrand:
    """Of one image backup, whatever becomes of its record meanwhile."""

    def __init__(self, surface: Surface, facts: ErrandFacts, what: ReadBack, choice: WorkerChoice) -> None:
        self._surface = surface
        self._facts = facts
        self._what = what
        self._choice = choice

    @property
    def facts(self) -> ErrandFacts:
        """As given."""
        return self._facts

    def prepare(self, attempt: int) -> PreparedWork:
        """Pin the point, and name its packs."""
        with self._surface.repositories.open(self._what.repository) as repository:
            return repository.prepare_verification(self._facts.work, attempt, self._what.point, self._what.tenant)

    def order(self, owner: Ownership, work: PreparedWork) -> WorkerOrder:
        """A worker in the workload's region that may read the repository, and no snapshot."""
        return WorkerOrder(
            owner=owner,
            repository_location=work.location,
            repository_session=work.session,
            reads_versions=work.reads_versions,
            instance_type=self._choice.instance_type,
            volume_bytes=self._what.size_bytes,
            subnet_id=self._choice.subnet_id,
            security_group_ids=self._choice.security_group_ids,
            tags=self._choice.tags,
        )

    def finished(self, attempt: int) -> bool:
        """Whether there is a result; what it is worth is judged later."""
        with self._surface.repositories.open(self._what.repository) as repository:
            return repository.has_result(self._facts.work, attempt)

    def judged(self, attempt: int) -> Verified | None:
        """What the result comes to."""
        with self._surface.repositories.open(self._what.repository) as repository:
            return repository.verified(self._facts.work, attempt, self._what.point, self._what.tenant)

    def end(self) -> None:
        """Unpin, and remove the scratch."""
        with self._surface.repositories.open(self._what.repository) as repository:
            repository.end_reading(self._facts.work)
