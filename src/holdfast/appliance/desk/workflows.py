"""The workflows by the names under which the engine knows them, and what they are made of.

A name is for ever: work that was cut short is found by it, also by the next version of this program.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.appliance.backups.archive_run import ARCHIVE_RUN, ARCHIVE_TASK, ArchiveRun
from holdfast.appliance.backups.archive_task import ArchiveTask
from holdfast.appliance.backups.backup_task import BackupTask
from holdfast.appliance.backups.image_backup import ImageBackup
from holdfast.appliance.backups.point_making import PointMaking
from holdfast.appliance.backups.policy_run import INSTANCE_TASK, POLICY_RUN, REPOSITORY_TURN, SNAPSHOT_COPY, PolicyRun
from holdfast.appliance.backups.settlement import Settlement
from holdfast.appliance.backups.snapshot_copy import SnapshotCopy
from holdfast.appliance.care.collection_work import COLLECTION, CollectionWork
from holdfast.appliance.care.verify_task import VERIFICATION, VerifyTask
from holdfast.appliance.points.damage import PointDamage
from holdfast.appliance.points.deletion import DELETE_POINT, PointDeletion
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.ports.engine import Workflow
from holdfast.appliance.restores.plan import RestorePlanner
from holdfast.appliance.restores.retrieval import RETRIEVAL, RetrievalTask
from holdfast.appliance.restores.task import RESTORE, RestoreTask
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.speaking import spoken_for
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.event_pump import EventPump
from holdfast.appliance.workers.fleet import WorkerFleet
from holdfast.appliance.workers.local_workers import LocalAttempts


@dataclass(frozen=True, slots=True)
class Workflows:
    """Everything that the engine runs, and what is shared with the rest of the appliance."""

    book: SessionBook
    pump: EventPump
    retention: RetentionWork
    settlement: Settlement
    planner: RestorePlanner
    named: Mapping[str, Workflow]


def make_workflows(surface: Surface) -> Workflows:
    """Made once; the engine is put into the surface afterwards."""
    book = SessionBook(surface.records.sessions, surface.surroundings)
    pump = EventPump(surface, book)
    retention = RetentionWork(surface, book)
    settlement = Settlement(surface, book, retention)
    fleet = WorkerFleet(surface, book, LocalAttempts(surface, book, pump))
    policy_run = PolicyRun(surface, book, retention, settlement)
    making = PointMaking(surface, book, fleet, retention)
    planner, damage = RestorePlanner(surface), PointDamage(surface, book, retention)
    backup = BackupTask(surface, book, ImageBackup(surface, book, making, damage), retention)
    named: dict[str, Workflow] = {
        POLICY_RUN: policy_run.run,
        REPOSITORY_TURN: policy_run.take_turn,
        INSTANCE_TASK: backup.run,
        SNAPSHOT_COPY: SnapshotCopy(surface, book, backup).run,
        DELETE_POINT: PointDeletion(surface, book, retention).run,
        COLLECTION: CollectionWork(surface, book).run,
        RETRIEVAL: RetrievalTask(surface, book, planner, damage).run,
        RESTORE: RestoreTask(surface, book, fleet, planner, damage).run,
        ARCHIVE_RUN: ArchiveRun(surface, book, retention, settlement).run,
        ARCHIVE_TASK: ArchiveTask(surface, book, making, retention, damage).run,
        VERIFICATION: VerifyTask(surface, book, fleet, retention).run,
    }
    spoken = {name: spoken_for(surface, book, workflow) for name, workflow in named.items()}
    return Workflows(book, pump, retention, settlement, planner, spoken)
