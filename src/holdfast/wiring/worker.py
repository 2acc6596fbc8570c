"""`holdfast worker run`: a worker on an instance of its own, or one that is a process of the appliance."""

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing

from holdfast.aws import location
from holdfast.aws.ebs_blocks.connection import EbsConnection
from holdfast.aws.ebs_blocks.writer import EbsSnapshotTarget, SnapshotRequest
from holdfast.aws.worker_keys import InstanceKeyUnwrapper
from holdfast.aws.worker_messages import SqsEventSinks, SqsTaskQueue
from holdfast.domain.errors import UnsupportedFormatError
from holdfast.patience import REAL_WAITING
from holdfast.repository.block_source import BlockSource, BlockTarget
from holdfast.repository.delegation.facts import Facts
from holdfast.repository.stores.location import open_store
from holdfast.repository.stores.s3.session import AwsSession, utc_now
from holdfast.repository.surroundings import Surroundings
from holdfast.wiring.machine import machine_surroundings
from holdfast.wiring.worker_streams import StreamTask
from holdfast.worker.data_mover import DataMover
from holdfast.worker.ports import KeyUnwrapper
from holdfast.worker.task_runner import Surface, TaskRunner

EBS = "ebs"

Say = Callable[[str], None]


def run_on_instance(queue_url: str, region: str | None, idle_timeout_seconds: float, say: Say) -> int:
    """Take one task from the queue with the role of this instance, do it; its exit code."""
    session = AwsSession(region)
    with closing(SqsTaskQueue(session, queue_url)) as queue, machine_surroundings() as surroundings:
        surface = Surface(queue, SqsEventSinks(session), utc_now, REAL_WAITING, say)
        mover = _mover(InstanceKeyUnwrapper(), surroundings)
        return TaskRunner(surface, mover.move, idle_timeout_seconds=idle_timeout_seconds).run()


def run_beside_appliance(say: Say) -> int:
    """Do the task whose pointer and key stand in the first line of standard input, and write events to standard
    output; its exit code. The end of standard input stops the work: whoever ordered it is gone.
    """
    streams = StreamTask(sys.stdin.fileno(), sys.stdout, _stop_this_process)
    with machine_surroundings() as surroundings:
        surface = Surface(streams, streams, utc_now, REAL_WAITING, say)
        return TaskRunner(surface, _mover(streams, surroundings).move).run()


def _mover(keys: KeyUnwrapper, surroundings: Surroundings) -> DataMover:
    return DataMover(
        open_store=open_store,
        open_source=open_ordered_source,
        open_target=open_ordered_target,
        keys=keys,
        surroundings=surroundings,
        waiting=REAL_WAITING,
    )


def open_ordered_source(facts: Facts) -> BlockSource:
    """The volume that an order says to read: {"kind": "ebs", "snapshot": "snap-…", "region": "…"}."""
    _check_kind(facts)
    return location.open_source(location.EbsSourceLocation(str(facts["snapshot"]), str(facts["region"])))


def open_ordered_target(facts: Facts) -> BlockTarget:
    """The place that an order says to restore to: a new snapshot, which bears the order's tags from its first moment.

    {"kind": "ebs", "region": "…", "description": "…", "tags": {…}, "volume_size_gib": …, "encrypted": true,
    "kms_key_arn": "…"}; all but the first two may be left out.
    """
    _check_kind(facts)
    request = SnapshotRequest(
        description=str(facts.get("description") or ""),
        tags=dict(facts.get("tags") or {}),
        least_volume_gib=int(facts.get("volume_size_gib") or 1),
        encrypted=bool(facts.get("encrypted")),
        kms_key_arn=facts.get("kms_key_arn"),
    )
    return EbsSnapshotTarget(EbsConnection(AwsSession(str(facts["region"]))), request)


def _check_kind(facts: Facts) -> None:
    if facts.get("kind") != EBS or not facts.get("region"):
        raise UnsupportedFormatError(
            f"a worker does not know volumes of kind {facts.get('kind')!r}",
            why=f"this one knows `{EBS}`, in a region that is named",
            cure="let worker and appliance be of one version: build the bundle again",
        )


def _stop_this_process() -> None:
    """As Ctrl-C does; the main thread is the one that must hear it."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
