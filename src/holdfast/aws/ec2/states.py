"""Waiting for EC2 to come where it was told to go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from holdfast.aws.clients import SHOWN_AFTER_SECONDS, PatientClient
from holdfast.aws.errors import error_of_end
from holdfast.domain.errors import ConflictError, UnavailableError
from holdfast.patience import Waiting
from holdfast.signed_http.aws_answers import Refusal

FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.5, 10.0
# A large instance with much memory takes minutes to stop, and EC2 helps after some more.
INSTANCE_TIMEOUT_SECONDS = 20 * 60.0
VOLUME_TIMEOUT_SECONDS = 10 * 60.0
IMAGE_TIMEOUT_SECONDS = 30 * 60.0
# What was shown once may for some seconds be asked for where it is not known yet; after these it is gone.
GONE_AFTER_SECONDS = 10.0
RUNNING_STATES = ("pending", "running")
# Who cancels is heard within so long.
_LONGEST_NAP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Waits:
    """How EC2 is waited for: what is made may be broken off at each wait, what is undone is seen to its end."""

    making: Waiting
    undoing: Waiting

    @classmethod
    def of(cls, waiting: Waiting, go_on: Callable[[], None]) -> "Waits":
        """`go_on` is asked each second while something is made; what it raises ends the wait."""

        def sleep(seconds: float) -> None:
            while seconds > 0:
                go_on()
                nap_seconds = min(seconds, _LONGEST_NAP_SECONDS)
                waiting.sleep(nap_seconds)
                seconds -= nap_seconds

        return cls(replace(waiting, sleep=sleep), waiting)


def wait_until(waiting: Waiting, what: str, timeout_seconds: float, reached: Callable[[], bool]) -> None:
    """Ask until `reached` says so. Raises UnavailableError when it does not in time, and what it raises."""
    if not is_reached(waiting, timeout_seconds, reached):
        raise UnavailableError(
            f"{what} takes too long", why=f"EC2 has had {timeout_seconds:.0f} s for it", cure="run it again"
        )


def is_reached(waiting: Waiting, timeout_seconds: float, reached: Callable[[], bool]) -> bool:
    """The same; whether it came so in time."""
    deadline_seconds = waiting.monotonic() + timeout_seconds
    poll_seconds = FIRST_POLL_SECONDS
    while not reached():
        if waiting.monotonic() > deadline_seconds:
            return False
        waiting.sleep(poll_seconds)
        poll_seconds = min(LONGEST_POLL_SECONDS, poll_seconds * 1.5)
    return True


def find_instance(ec2: PatientClient, instance_id: str) -> dict[str, Any] | None:
    """EC2's description, also of one that is terminated; None when there is none."""
    answer = ec2.try_call("DescribeInstances", instance_id, InstanceIds=[instance_id])
    if isinstance(answer, Refusal):
        if answer.code == "InvalidInstanceID.NotFound":
            return None
        raise ec2.meaning(answer, "DescribeInstances", instance_id)
    found: list[dict[str, Any]] = [one for group in answer["Reservations"] for one in group["Instances"]]
    return found[0] if found else None


def instance_state(ec2: PatientClient, instance_id: str) -> str | None:
    """AWS's word; None when it is gone or terminated."""
    instance = find_instance(ec2, instance_id)
    state = None if instance is None else str(instance["State"]["Name"])
    return None if state == "terminated" else state


def state_reason(instance: dict[str, Any]) -> tuple[str, str]:
    """EC2's code and words for why an instance is in its state; empty where it gives none."""
    reason = instance.get("StateReason", {})
    return str(reason.get("Code", "")), str(reason.get("Message", ""))


def status_checks(ec2: PatientClient, instance_id: str) -> tuple[str, str]:
    """AWS's words for the checks of the host and of the instance (EC2 API reference, DescribeInstanceStatus)."""
    answer = ec2.call("DescribeInstanceStatus", instance_id, InstanceIds=[instance_id])
    for one in answer["InstanceStatuses"]:
        return str(one["SystemStatus"]["Status"]), str(one["InstanceStatus"]["Status"])
    # Only of instances that run there is anything to tell.
    return "not-applicable", "not-applicable"


def wait_for_instance(ec2: PatientClient, waiting: Waiting, instance_id: str, state: str) -> dict[str, Any]:
    """The description of the instance once it is in that state; ConflictError when it ends instead."""
    seen: dict[str, Any] = {}

    def reached() -> bool:
        instance = find_instance(ec2, instance_id)
        if instance is None:
            return state == "terminated"
        now = str(instance["State"]["Name"])
        if now != state and (now == "terminated" or (state == "running" and now == "shutting-down")):
            raise error_of_end(instance_id, *state_reason(instance))
        seen.update(instance)
        return now == state

    wait_until(waiting, f"instance {instance_id}, which is to be {state},", INSTANCE_TIMEOUT_SECONDS, reached)
    return seen


def wait_for_volume(
    ec2: PatientClient, waiting: Waiting, volume_id: str, state: str, kms_key_id: str | None = None
) -> None:
    """Until the volume is `available` or `in-use`; ConflictError when it is gone or EBS could not make it. EBS tells so
    by letting it vanish: the key is looked at after CreateVolume has answered.
    """
    seen: dict[str, Any] = {"State": "creating", "KmsKeyId": kms_key_id}
    last_seen_seconds, forgiven_seconds = waiting.monotonic(), SHOWN_AFTER_SECONDS

    def reached() -> bool:
        nonlocal last_seen_seconds, forgiven_seconds
        answer = ec2.try_call("DescribeVolumes", volume_id, VolumeIds=[volume_id])
        if isinstance(answer, Refusal):
            if answer.code != "InvalidVolume.NotFound":
                raise ec2.meaning(answer, "DescribeVolumes", volume_id)
            if waiting.monotonic() - last_seen_seconds < forgiven_seconds:
                # It was made a moment ago: EC2 does not know it everywhere.
                return False
            raise _gone(volume_id, seen)
        volume = answer["Volumes"][0]
        seen.update(volume)
        last_seen_seconds, forgiven_seconds = waiting.monotonic(), GONE_AFTER_SECONDS
        if volume["State"] == "error":
            raise _not_made(volume_id, seen)
        attached = [one.get("State") for one in volume.get("Attachments", ())]
        return volume["State"] == state and all(one == "attached" for one in attached)

    wait_until(waiting, f"volume {volume_id}, which is to be {state},", VOLUME_TIMEOUT_SECONDS, reached)


def _gone(volume_id: str, seen: Mapping[str, Any]) -> ConflictError:
    if seen["State"] == "creating":
        return _not_made(volume_id, seen)
    return ConflictError(
        f"volume {volume_id} is gone", why=f"it was {seen['State']}, and somebody has deleted it", cure="restore again"
    )


def _not_made(volume_id: str, seen: Mapping[str, Any]) -> ConflictError:
    key = seen.get("KmsKeyId") or "that it is to be encrypted under"
    return ConflictError(
        f"volume {volume_id} could not be made",
        why=f"EBS says no more; mostly the KMS key {key} may not be used: disabled, deleted, or no rights on it",
        cure="see that the snapshot is there and the key enabled, allow its use (for appliances: option volume-keys "
        "of the plug-in, docs/permissions.md), and restore again",
    )


def wait_for_image(ec2: PatientClient, waiting: Waiting, image_id: str) -> None:
    """Until the image is `available`; ConflictError when EC2 could not register it, and what a refusal means."""

    def reached() -> bool:
        answer = ec2.try_call("DescribeImages", image_id, ImageIds=[image_id])
        if isinstance(answer, Refusal):
            if answer.code.startswith("InvalidAMIID"):
                # It was registered a moment ago: EC2 does not know it everywhere.
                return False
            raise ec2.meaning(answer, "DescribeImages", image_id)
        if not answer["Images"]:
            return False
        image = answer["Images"][0]
        if image["State"] not in ("available", "pending"):
            raise ConflictError(
                f"image {image_id} could not be registered",
                why=str(image.get("StateReason", {}).get("Message") or image["State"]),
                cure="check the snapshot of the root volume, and restore again",
            )
        return bool(image["State"] == "available")

    wait_until(waiting, f"image {image_id}", IMAGE_TIMEOUT_SECONDS, reached)


def stop_instance(ec2: PatientClient, waiting: Waiting, instance_id: str) -> None:
    """Stop it and see it stopped; one that still starts is waited for. Raises ConflictError when it is protected."""
    state = instance_state(ec2, instance_id)
    if state == "pending":
        wait_for_instance(ec2, waiting, instance_id, "running")
    if state != "stopped":
        ec2.call("StopInstances", instance_id, InstanceIds=[instance_id])
        wait_for_instance(ec2, waiting, instance_id, "stopped")


def start_instance(ec2: PatientClient, waiting: Waiting, instance_id: str) -> None:
    """Start it and see it run; one that still stops is waited for."""
    state = instance_state(ec2, instance_id)
    if state == "stopping":
        wait_for_instance(ec2, waiting, instance_id, "stopped")
    if state not in RUNNING_STATES:
        ec2.call("StartInstances", instance_id, InstanceIds=[instance_id])
    wait_for_instance(ec2, waiting, instance_id, "running")
