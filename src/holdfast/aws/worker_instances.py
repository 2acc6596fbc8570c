"""Workers on instances of their own: each with a role, a profile, a queue and no way in. The port `WorkerInstances`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.appliance.ports.cloud import Ownership, Worker, WorkerOrder
from holdfast.aws.bundle.user_data import BootOrder, user_data
from holdfast.aws.clients import NEW_THINGS_POLICY, PatientClient
from holdfast.aws.ec2.discovery import standing_instances
from holdfast.aws.ec2.states import find_instance, instance_state, state_reason
from holdfast.aws.errors import (
    NO_CAPACITY_CODES,
    error_of_end,
    is_unknown_group,
    is_unknown_profile,
    would_end_again,
)
from holdfast.aws.kms import KmsKeyWrapper
from holdfast.aws.ownership import as_list, owned_by, people_tags
from holdfast.aws.queues import TaskQueues
from holdfast.aws.stock_images import stock_image
from holdfast.aws.worker_places import Place, WorkerPlaces, architecture_of, instance_types_for
from holdfast.aws.worker_rights import bundle_of, grants_of, policy_of
from holdfast.aws.worker_roles import WorkerRoles
from holdfast.aws.written_down import Book
from holdfast.domain.errors import ConflictError, HoldfastError, QuotaReachedError, UnavailableError
from holdfast.domain.ownership import PURPOSE
from holdfast.patience import REAL_WAITING, Patience, Waiting
from holdfast.protocol.appliance_answers import AwsSettings
from holdfast.protocol.worker_messages import CONTEXT_USER_ID
from holdfast.signed_http.aws_answers import Refusal

# The bundle, the system, and what a command writes: a worker keeps nothing on its disk.
ROOT_GIB = 8
CONSOLE_CHARACTERS = 4000
NAME_PREFIX = "holdfast-worker-"


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """Clients of the appliance's own account: EC2 in the workers' region, the others where the stack stands."""

    ec2: PatientClient
    iam: PatientClient
    sqs: PatientClient
    kms: PatientClient


class Ec2WorkerInstances:
    """Fits `holdfast.appliance.ports.cloud.WorkerInstances`, which says what each method promises."""

    def __init__(
        self,
        services: WorkerServices,
        books: tuple[Book, Book],
        settings: AwsSettings,
        appliance_id: str,
        waiting: Waiting = REAL_WAITING,
    ) -> None:
        """`books` are the ledgers of the workers' region and of the stack's."""
        self._ec2 = services.ec2
        self._book, self._home_book = books
        self._settings = settings
        self._waiting = waiting
        self._roles = WorkerRoles(services.iam, appliance_id)
        self._queues = TaskQueues(services.sqs, waiting)
        self._keys = KmsKeyWrapper(services.kms)
        self._places = WorkerPlaces(services.ec2, self._book)

    def launch(self, order: WorkerOrder) -> Worker:
        """Role, profile, queue and instance; asked again for the same attempt it hands back the same worker.

        What cannot be launched leaves nothing; where AWS gave no answer, asking again or the reaper settles it.
        """
        name = name_of(order.owner)
        try:
            return self._launch(order, name)
        except UnavailableError:
            raise
        except HoldfastError:
            self._remove_surroundings(name, self._queue_url(name))
            raise

    def send(self, worker: Worker, message: str) -> None:
        """Put the one message into its queue."""
        self._queues.send(worker.queue_url, message)

    def wrap_key(self, worker: Worker, key: bytes, context: Mapping[str, str]) -> tuple[str, bytes]:
        """(KMS key, the key wrapped); the context names the worker's `aws:userid`, whatever was handed in."""
        bound = {**context, CONTEXT_USER_ID: worker.user_id}
        return self._settings.kms_key_arn, self._keys.wrap(self._settings.kms_key_arn, key, bound)

    def state(self, worker: Worker) -> str | None:
        """AWS's word for the instance."""
        return instance_state(self._ec2, worker.instance_id)

    def why_ended(self, worker: Worker) -> str:
        """EC2's reason for its state."""
        code, message = state_reason(find_instance(self._ec2, worker.instance_id) or {})
        if would_end_again(code):
            raise error_of_end(worker.instance_id, code, message)
        return message

    def console(self, worker: Worker) -> str:
        """The end of its console; the newest that there is, where the type of instance allows that."""
        answer = self._console(worker, Latest=True)
        if isinstance(answer, Refusal) and answer.code == "UnsupportedOperation":
            answer = self._console(worker)
        if isinstance(answer, Refusal):
            if answer.code == "InvalidInstanceID.NotFound":
                return ""
            raise self._ec2.meaning(answer, "GetConsoleOutput", worker.instance_id)
        return str(answer.get("Output") or "")[-CONSOLE_CHARACTERS:]

    def terminate(self, worker: Worker) -> None:
        """End the instance and remove queue, profile and role."""
        answer = self._ec2.try_call("TerminateInstances", worker.instance_id, InstanceIds=[worker.instance_id])
        if isinstance(answer, Refusal) and answer.code != "InvalidInstanceID.NotFound":
            raise self._ec2.meaning(answer, "TerminateInstances", worker.instance_id)
        self._book.gone("instance", worker.instance_id)
        self._remove_surroundings(worker.role_name, worker.queue_url)

    def _launch(self, order: WorkerOrder, name: str) -> Worker:
        owner, settings = order.owner, self._settings
        architecture = architecture_of(instance_types_for(order)[0])
        bundle_key, bundle_sha256 = bundle_of(settings, architecture)
        image_id = stock_image(self._ec2, architecture)
        places = self._places.find(order)
        tags = owner.tags()
        queue_url = self._home_book.create(
            "queue", owner, "task", lambda token: self._queues.create(name, tags, order.lifetime_seconds)
        )
        policy = policy_of(grants_of(self._ec2, settings, order, queue_url, bundle_key))
        self._home_book.intend("role", owner, "worker")
        self._home_book.intend("instance-profile", owner, "worker")
        role_id = self._roles.create(name, policy, settings.worker_boundary_arn, tags)
        self._home_book.create("role", owner, "worker", lambda token: name)
        self._home_book.create("instance-profile", owner, "worker", lambda token: name)
        boot = BootOrder(
            bucket=settings.bundle_bucket,
            key=bundle_key,
            sha256=bundle_sha256,
            region=settings.region,
            command=("worker", "run", "--queue", queue_url, "--region", settings.region),
            lifetime_seconds=order.lifetime_seconds,
        )
        instance_id = self._launched(owner)
        if instance_id is None:
            instance_id = self._somewhere(order, places, _request(order, name, boot) | {"ImageId": image_id})
        instance = find_instance(self._ec2, instance_id) or {}
        zone = str(instance.get("Placement", {}).get("AvailabilityZone", ""))
        kind = str(instance.get("InstanceType", ""))
        return Worker(instance_id, kind, name, role_id, queue_url, self._ec2.region, zone)

    def _launched(self, owner: Ownership) -> str | None:
        """What was launched for that attempt before: its id is written down, or the answer that held it was lost."""
        rows = self._book.open_rows("instance", owner)
        known = next((row.object_id for row in rows if row.object_id), None)
        if known is None and rows:
            known = self._standing(owner)
            if known is not None:
                self._book.created(rows[-1], known)
        return known

    def _somewhere(self, order: WorkerOrder, places: list[Place], request: Mapping[str, Any]) -> str:
        """The instance, in the first place that EC2 has room in; each that is asked for is written down before."""
        refusals: list[tuple[Place, Refusal]] = []
        for place in places:
            row = self._book.intend("instance", order.owner, f"worker, {place}")
            asked = {
                **request,
                "InstanceType": place.instance_type,
                "SubnetId": place.subnet_id,
                "SecurityGroupIds": list(place.group_ids),
            }
            answer = self._run(order.owner, asked, row.token)
            if isinstance(answer, str):
                self._book.created(row, answer)
                return answer
            self._book.refused(row)
            refusals.append((place, answer))
        raise _nowhere(order, refusals)

    def _console(self, worker: Worker, **how: bool) -> dict[str, Any] | Refusal:
        return self._ec2.try_call("GetConsoleOutput", worker.instance_id, InstanceId=worker.instance_id, **how)

    def _run(self, owner: Ownership, request: Mapping[str, Any], token: str) -> str | Refusal:
        """The instance's id, or the refusal of a place that another one may make good. Raises what all others mean."""
        patience = Patience(NEW_THINGS_POLICY, self._waiting)
        while isinstance(
            answer := self._ec2.try_call("RunInstances", "a worker", **request, ClientToken=token), Refusal
        ):
            error = self._ec2.meaning(answer, "RunInstances", "a worker")
            if answer.code == "IdempotentParameterMismatch" and (standing := self._standing(owner)) is not None:
                return standing
            if _of_this_place(answer):
                return answer
            if not (is_unknown_profile(answer) or is_unknown_group(answer)):
                raise error
            patience.wait_or_raise(UnavailableError(error.what, why=error.why, cure="run it again"))
        instance_id = str(answer["Instances"][0]["InstanceId"])
        while find_instance(self._ec2, instance_id) is None:
            patience.wait_or_raise(
                UnavailableError(
                    f"instance {instance_id} cannot be seen",
                    why="EC2 has launched it and does not list it",
                    cure="run it again",
                )
            )
        return instance_id

    def _standing(self, owner: Ownership) -> str | None:
        """What was launched with that token by a call whose answer was lost: another subnet has the most room by now,
        or there is a newer image, and EC2 does not hand back what is not asked for in the same words.
        """
        purpose = {"Name": f"tag:{PURPOSE}", "Values": [owner.purpose]}
        return next((str(one["InstanceId"]) for one in standing_instances(self._ec2, *owned_by(owner), purpose)), None)

    def _queue_url(self, name: str) -> str | None:
        return next((url for url in self._queues.names_beginning(name) if url.endswith(f"/{name}")), None)

    def _remove_surroundings(self, name: str, queue_url: str | None) -> None:
        if queue_url is not None:
            self._queues.delete(queue_url)
            self._home_book.gone("queue", queue_url)
        self._roles.remove(name)
        self._home_book.gone("instance-profile", name)
        self._home_book.gone("role", name)


def name_of(owner: Ownership) -> str:
    """Role, profile and queue of a worker have this name: one for each attempt at a task."""
    text = "\n".join((owner.appliance_id, owner.session_id, owner.task_id, str(owner.attempt)))
    return f"{NAME_PREFIX}{owner.appliance_id[:8]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _request(order: WorkerOrder, name: str, boot: BootOrder) -> dict[str, Any]:
    tags = as_list(
        people_tags(order.tags) | {"Name": f"holdfast worker {order.owner.task_id[:8]}"} | order.owner.tags()
    )
    return {
        "MinCount": 1,
        "MaxCount": 1,
        "IamInstanceProfile": {"Name": name},
        "UserData": user_data(boot),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": ROOT_GIB, "VolumeType": "gp3", "DeleteOnTermination": True, "Encrypted": True},
            }
        ],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume", "network-interface")
        ],
    }


def _of_this_place(refusal: Refusal) -> bool:
    """Whether EC2 does not offer the type there, or has no room there now ("Error codes for the Amazon EC2 API")."""
    unknown_type = refusal.code == "InvalidParameterValue" and "InstanceType" in refusal.message
    elsewhere = {"Unsupported", "InsufficientFreeAddressesInSubnet"}
    return unknown_type or refusal.code in elsewhere or refusal.code in NO_CAPACITY_CODES


def _nowhere(order: WorkerOrder, refusals: list[tuple[Place, Refusal]]) -> HoldfastError:
    """All places refused. Room may come again, where nobody has said that it must be this place."""
    what = "no place for a worker"
    why = "; ".join(f"{place}: {refusal.code}: {refusal.message}" for place, refusal in refusals)
    named = order.instance_type or order.subnet_id
    if named is None and any(refusal.code != "Unsupported" for _, refusal in refusals):
        return QuotaReachedError(what, why=why, cure="run it again later, or name other subnets (`worker.subnet_id`)")
    cure = "name another `worker.instance_type` or `worker.subnet_id` in the policy; without one, others are tried"
    return ConflictError(what, why=why, cure=cure)
