"""The worker's program for tests: all of it is real, but it waits hundredths of a second where the real one waits more.

It runs on an instance of the lab, where a bundle of `thin_bundle` starts it in place of `holdfast`.
"""

import sys
import time
from contextlib import closing

from holdfast.aws.worker_keys import InstanceKeyUnwrapper
from holdfast.aws.worker_messages import SqsEventSinks, SqsTaskQueue
from holdfast.domain.errors import HoldfastError
from holdfast.patience import Waiting
from holdfast.repository.stores.location import open_store
from holdfast.repository.stores.s3.session import AwsSession, utc_now
from holdfast.wiring.machine import machine_surroundings
from holdfast.wiring.worker import open_ordered_source, open_ordered_target
from holdfast.worker.data_mover import DataMover
from holdfast.worker.reporting import ReportingLimits
from holdfast.worker.task_runner import Surface, TaskRunner

QUICK = Waiting(sleep=lambda seconds: time.sleep(min(seconds, 0.01)))
LIMITS = ReportingLimits(progress_seconds=0.2, heartbeat_seconds=1.0, undeliverable_seconds=0.5)


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def run(queue_url: str, region: str) -> int:
    session = AwsSession(region)
    with closing(SqsTaskQueue(session, queue_url)) as queue, machine_surroundings() as surroundings:
        surface = Surface(queue, SqsEventSinks(session), utc_now, QUICK, say)
        mover = DataMover(
            open_store, open_ordered_source, open_ordered_target, InstanceKeyUnwrapper(), surroundings, QUICK
        )
        return TaskRunner(surface, mover.move, idle_timeout_seconds=60, limits=LIMITS).run()


def main() -> None:
    """`worker run --queue URL --region REGION`, as the user data of a worker says it."""
    words = sys.argv[1:]
    assert (words[:3], words[4]) == (["worker", "run", "--queue"], "--region"), words
    try:
        sys.exit(run(words[3], words[5]))
    except HoldfastError as error:
        for line in (f"error: {error.what} [{error.code}]", f"  why: {error.why}", f"  cure: {error.cure}"):
            say(line)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
