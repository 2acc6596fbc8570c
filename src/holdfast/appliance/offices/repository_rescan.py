"""Restore points that lie in a repository and that this appliance does not know: those of one that was lost.

Nothing in a point says who has it: those of appliances that live on are named by the server, and left to them.

How an instance was made up stands sealed in its point. A policy does not: nothing but a person removes such a point.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from holdfast.appliance.desk.desk import Desk
from holdfast.appliance.desk.workflows import Workflows
from holdfast.appliance.points.configurations import Configurations, configuration_in
from holdfast.appliance.ports.repositories import BackupRepository
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import ConflictError, HoldfastError, NotFoundError
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.time import parse_time
from holdfast.domain.workload import Workload, WorkloadKind
from holdfast.protocol.appliance_answers import RepositoryRescanned, RepositoryRescanOrder

Found = Mapping[str, str | int]
_ALL = RepositoryRescanOrder()


class RepositoryRescan(Desk):
    """Takes on what is found; in one repository one at a time."""

    def __init__(self, surface: Surface, workflows: Workflows) -> None:
        super().__init__(surface, workflows)
        self._turn = threading.Lock()
        self._under_way: set[str] = set()

    def rescan_repository(self, name: str, order: RepositoryRescanOrder = _ALL) -> RepositoryRescanned:
        """Take on every point of the registered accounts' instances that is ordered; asked again it goes on where it
        stopped. Raises ConflictError while another one is at it, and what opening the repository raises; one point that
        cannot be taken on is a warning.
        """
        with self._alone_in(name):
            return self._rescan(name, order)

    @contextmanager
    def _alone_in(self, name: str) -> Iterator[None]:
        with self._turn:
            if name in self._under_way:
                raise ConflictError(
                    f"repository {name} is being rescanned",
                    why="a rescan of it is under way, whoever asked for it, and takes as long as there is to read",
                    cure="wait for its end: `holdfast point list` shows what it has taken on",
                )
            self._under_way.add(name)
        try:
            yield
        finally:
            with self._turn:
                self._under_way.discard(name)

    def _rescan(self, name: str, order: RepositoryRescanOrder) -> RepositoryRescanned:
        definition = self._records.repositories.get(name)
        known = added = left = 0
        elsewhere = frozenset(order.elsewhere)
        # Its own that it does not know yet are no strangers, and those that are made now, or not settled, are recorded
        # as what they are later.
        warnings = self._workflows.settlement.settle()
        with self._surface.repositories.open(name) as repository:
            for account in self._records.accounts.all():
                tenant = self._surface.tenant(account.name)
                found = [one for one in repository.points(tenant) if _is_instance(one)]
                newest = {str(one["workload"]): str(one["id"]) for one in found}
                for one in found:
                    identifier = str(one["id"])
                    if identifier <= order.after or identifier > order.up_to > "":
                        continue
                    if identifier in elsewhere and self._is_left(identifier):
                        left += 1
                        continue
                    try:
                        is_new = self._take_on(repository, name, account.name, tenant, one, newest.values())
                    except HoldfastError as error:
                        warnings.append(f"restore point {identifier} is left out: {error.what}: {error.why}")
                        continue
                    known += 1
                    added += is_new
        return RepositoryRescanned(definition.name, known, added, tuple(warnings), left)

    def _is_left(self, identifier: str) -> bool:
        """Whether a point that another appliance has is left to it: not where this one made it. Where it was only found
        here, before the other one had told of it, it leaves the list: deleted here, it would be gone there.
        """
        try:
            point = self._records.points.get(identifier)
        except NotFoundError:
            return True
        if point.session_id is not None or identifier in {one.subject for one in self._records.sessions.unfinished()}:
            return False
        self._records.points.remove(identifier)
        return True

    def _take_on(
        self,
        repository: BackupRepository,
        name: str,
        account: str,
        tenant: str,
        found: Found,
        newest: Iterable[str],
    ) -> bool:
        """Whether it was not known before."""
        identifier = str(found["id"])
        try:
            self._records.points.get(identifier)
        except NotFoundError:
            if identifier in {one.work for one in self._records.open_backups.all()}:
                return False
        else:
            return False
        kind = PointKind.IMAGE_BACKUP if repository.archive_class is None else PointKind.ARCHIVE
        volumes, sealed_in_point = repository.point_volumes(identifier, tenant)
        configuration = configuration_in(sealed_in_point, identifier)
        ids = {volume.device: volume.volume_id for volume in configuration.volumes}
        # The next backup asks what changed since these, where they still stand.
        bases = {
            ids[volume.name]: volume.source["snapshot"]
            for volume in volumes
            if kind == PointKind.IMAGE_BACKUP
            and identifier in newest
            and volume.name in ids
            and volume.source.get("snapshot")
        }
        point = RestorePoint(
            id=identifier,
            kind=kind,
            workload=Workload(
                WorkloadKind.EC2_INSTANCE,
                account,
                configuration.region,
                configuration.instance_id,
                configuration.name,
            ),
            policy="",
            created_at=parse_time(str(found["created"])),
            size_bytes=int(found["size_bytes"]),
            snapshots=bases,
            repository=name,
            parent=str(found["parent"]) or None,
            copy_of=str(found["copy_of"]) or None,
        )
        self._records.points.add(point, Configurations(self._surface).seal(configuration))
        return True


def _is_instance(found: Found) -> bool:
    """Others are what the command line put there: a file, a device."""
    return str(found["workload"]).startswith(f"{WorkloadKind.EC2_INSTANCE}/")
