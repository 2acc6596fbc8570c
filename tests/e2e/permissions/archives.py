"""What an appliance does with archives: a worker copies, and what it made is asked back, and removed."""

from collections.abc import Callable
from typing import Any

from holdfast.domain.archive import Tier
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.domain.session import Session
from tests.e2e.lab.account import until
from tests.e2e.permissions.account_in_lab import BUCKET
from tests.e2e.permissions.flows import Outcome, Scene

# Longer than a job waits for its turn in the lab.
TURN_SECONDS = 90


def asked_back_by_one(scene: Scene) -> Outcome:
    """From DEEP_ARCHIVE, pack by pack."""
    return _archived(scene, "colder", Tier.BULK, lambda session: None)


def asked_back_by_job(scene: Scene) -> Outcome:
    """From GLACIER, by one job of S3 Batch Operations; what does not go so is asked for pack by pack, and told."""
    told: list[str] = []

    def carried_out(session: str) -> None:
        scene.hand.advance(TURN_SECONDS)
        until(lambda: not _lists(scene))
        lines = scene.appliance.records.sessions.lines(session, after=0, limit=1000)
        told.extend(line.message for line in lines if "S3 Batch Operations" in line.message)

    outcome = _archived(scene, "cold", Tier.ACCELERATED, carried_out)
    return Outcome(outcome.errors, (*outcome.said, *told), outcome.warned or bool(told))


def _archived(scene: Scene, repository: str, tier: Tier, meanwhile: Callable[[str], None]) -> Outcome:
    scene.archives_to(repository)
    outcome, detail = scene.session(lambda service: service.run_policy("shop", ("archive",)))
    if outcome.fine and detail is not None:
        point = scene.point(detail)
        outcome = _asked_back(scene, point, tier, meanwhile)
        removed = scene.done(lambda service: service.delete_point(point))
        outcome = removed if outcome.fine else outcome
    return outcome


def _asked_back(scene: Scene, point: str, tier: Tier, meanwhile: Callable[[str], None]) -> Outcome:
    """A restore that nobody waits for: it is cancelled when it has asked."""
    order = VolumeRestore(point, retrieval=RetrievalOrder(tier, 1))
    sessions = scene.appliance.records.sessions

    def cancelled(service: Any) -> Session:
        session: Session = service.start_restore(order)
        until(lambda: "can be read" in sessions.tasks(session.id)[0].stage or sessions.get(session.id).state.final)
        meanwhile(session.id)
        service.cancel_session(session.id)
        return session

    outcome, _ = scene.session(cancelled)
    said = tuple(line for line in outcome.said if line != "cancelling")
    return Outcome(outcome.errors, said, bool(said))


def _lists(scene: Scene) -> list[str]:
    """Of jobs that are at work."""
    found = scene.hand.s3.list_objects_v2(Bucket=BUCKET, Prefix="cold/sessions/").get("Contents", ())
    return [one["Key"] for one in found if one["Key"].endswith("/retrieval")]
