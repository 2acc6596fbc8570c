"""What an appliance does in an account, as ways that can be gone again and again; each says how it ended.

A way leaves the account as it found it, whether it succeeded or was denied something in the middle.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws import worker_rights
from holdfast.aws.ownership import as_list
from holdfast.aws.policies.grants import Grant
from holdfast.domain.errors import HoldfastError
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    Ec2Policy,
    MonthlyTier,
    Retention,
    Selection,
    SnapshotTarget,
)
from holdfast.domain.restore import InstanceRestore, NewPlace, Place, VolumeRestore
from holdfast.domain.restore_point import SnapshotPlace
from holdfast.domain.session import ItemError, Session
from holdfast.protocol.appliance_answers import AccountCheck, PolicyApplied, SessionDetail
from tests.e2e.aws.cloud_in_lab import CloudInLab
from tests.e2e.lab.account import until
from tests.e2e.permissions.account_in_lab import (
    APPLIANCE_ID,
    ARCHIVE,
    DEEP_ARCHIVE,
    EXTERNAL_ID,
    LOCATION,
    PASSWORD,
    PRODUCTION_ROLE,
    REGION,
    AccountInLab,
    Appliance,
)

OURS = "holdfast:appliance"
ABROAD = "eu-west-1"
FAR = Account("production", PRODUCTION_ROLE, EXTERNAL_ID)
_WAIT = {"Delay": 1, "MaxAttempts": 60}


@dataclass(frozen=True)
class Outcome:
    """How a way ended: the errors that somebody would see, and everything else that was said."""

    errors: tuple[ItemError, ...] = ()
    said: tuple[str, ...] = ()
    warned: bool = False

    @property
    def fine(self) -> bool:
        return not self.errors and not self.warned

    def names(self, action: str) -> bool:
        return any(action in text for text in (*self.said, *(f"{one.what} {one.why}" for one in self.errors)))


@contextmanager
def workers_without(statement: str, action: str) -> Iterator[None]:
    """Workers that are launched meanwhile lack that action of that statement."""

    def narrowed(grants: Callable[..., list[Grant]]) -> Callable[..., list[Grant]]:
        def less(*arguments: Any, **named: Any) -> list[Grant]:
            return [
                replace(one, actions=tuple(name for name in one.actions if name != action))
                if one.name == statement
                else one
                for one in grants(*arguments, **named)
                if one.name != statement or one.actions != (action,)
            ]

        return less

    with pytest.MonkeyPatch.context() as patch:
        for name in ("worker_backup_grants", "worker_copy_grants", "worker_restore_grants", "worker_verify_grants"):
            patch.setattr(worker_rights, name, narrowed(getattr(worker_rights, name)))
        yield


class Scene:
    """An appliance, a customer's instance with everything that an instance can have, and restore points of it."""

    def __init__(self, account: AccountInLab) -> None:
        self.account, self.hand = account, account.hand
        self.appliance = Appliance(account)
        self.ec2: Any = account.hand.ec2
        self.rich = self._instance()
        self._changes = 1

    def prepare(self) -> None:
        """Registered things and points that ways begin with; without rights removed."""
        appliance = self.appliance
        appliance.act(lambda service: service.put_account(Account("own")))
        for name, location in (("vault", LOCATION), ("cold", ARCHIVE), ("colder", DEEP_ARCHIVE)):
            appliance.act(partial(_registered, RepositoryDefinition(name, location)))
        self.archives_to("cold")
        self.snapshot_point = self.point(appliance.act(lambda service: service.take_snapshot("own", REGION, self.rich)))
        appliance.act(lambda service: service.put_account(FAR))
        far = Ec2Policy("far", FAR.name, (REGION,), Selection(all=True), backup=BackupTarget("vault", Retention(20)))
        appliance.records.policies.put(far, datetime.now(UTC))
        CloudInLab(self.account.production).run()
        self.far_point = self.point(appliance.act(lambda service: service.run_policy("far", ())))
        self.image_point = self.point(appliance.act(lambda service: service.run_policy("shop", ("backup",))))

    def archives_to(self, repository: str) -> None:
        """The policy of the instance, from now on."""
        policy = Ec2Policy(
            "shop",
            "own",
            (REGION,),
            Selection(ids=(self.rich,)),
            snapshot=SnapshotTarget(keep=1, tags={"why": "daily"}),
            backup=BackupTarget("vault", Retention(20)),
            archive=ArchiveTarget(repository, MonthlyTier(keep=20, on_day=1, at="00:00")),
        )
        self.appliance.records.policies.put(policy, datetime.now(UTC))

    def close(self) -> None:
        self.appliance.close()

    # --------------------------------------------------------------------------------------------------------- ways

    def other_account_is_registered(self) -> Outcome:
        """By an appliance that has not assumed its role yet."""
        fresh = self.appliance.new_cloud()
        self.appliance.use(fresh)
        return self.done(lambda service: service.put_account(FAR))

    def other_account_is_backed_up(self) -> Outcome:
        """Its snapshots are shared with the appliance's account, where the worker reads them."""
        return self.done(lambda service: service.run_policy("far", ()))

    def volumes_of_other_account(self) -> Outcome:
        """From an image backup: a worker writes snapshots here, and shares them."""
        return self._volumes(self.far_point, self.account.production.ec2)

    def account_is_checked(self) -> Outcome:
        return self.done(lambda service: service.check_account("own"))

    def account_is_registered(self) -> Outcome:
        return self.done(lambda service: service.put_account(Account("own")))

    def repository_is_registered(self) -> Outcome:
        return self.done(lambda service: service.put_repository(RepositoryDefinition("vault", LOCATION), PASSWORD))

    def snapshot(self) -> Outcome:
        """A person's, and its removal."""
        outcome, detail = self.session(lambda service: service.take_snapshot("own", REGION, self.rich))
        if outcome.fine and detail is not None:
            outcome = self.done(lambda service: service.delete_point(self.point(detail)))
        return outcome

    def snapshot_abroad(self) -> Outcome:
        """A person's, kept in another region, and its removal."""
        return self._kept_in(SnapshotPlace("own", ABROAD))

    def snapshot_of_other_account(self) -> Outcome:
        """Kept in another account, which copies what is shared with it."""
        return self._kept_in(SnapshotPlace(FAR.name, REGION))

    def _kept_in(self, place: SnapshotPlace) -> Outcome:
        outcome, detail = self.session(lambda service: service.take_snapshot("own", REGION, self.rich, place))
        if outcome.fine and detail is not None:
            outcome = self.done(lambda service: service.delete_point(self.point(detail)))
        return outcome

    def retention(self) -> Outcome:
        """Snapshots by policy: the second run removes the first's."""
        first = self.done(lambda service: service.run_policy("shop", ("snapshot",)))
        return first if not first.fine else self.done(lambda service: service.run_policy("shop", ("snapshot",)))

    def backup(self) -> Outcome:
        """An image backup after a change, by a worker on an instance; the group of workers is not there yet."""
        self._changes += 1
        self.account.customer.write(self.rich, self._changes)
        self.appliance.later += timedelta(minutes=5)
        ours = [{"Name": "tag-key", "Values": [OURS]}]
        for group in self.ec2.describe_security_groups(Filters=ours)["SecurityGroups"]:
            with suppress(ClientError):
                self.ec2.delete_security_group(GroupId=group["GroupId"])
        return self.done(lambda service: service.run_policy("shop", ("backup",)))

    def plan(self) -> Outcome:
        return self._planned(InstanceRestore(self.snapshot_point, replace=True))

    def instance_anew(self) -> Outcome:
        """Beside the one that stands, from snapshots."""
        order = InstanceRestore(self.snapshot_point, Place.NEW, NewPlace(name="again"))
        outcome, detail = self.session(lambda service: service.start_restore(order))
        self._end_restored(detail)
        return outcome

    def instance_in_its_place(self) -> Outcome:
        """The original is gone: its addresses and its elastic address come back."""
        gone = self._gone_instance()
        outcome, detail = self.session(lambda service: service.start_restore(InstanceRestore(gone)))
        self._end_restored(detail)
        return outcome

    def exchange(self) -> Outcome:
        """The original stands, and everything of it was changed that can be."""
        self._spoil()
        order = InstanceRestore(self.snapshot_point, replace=True)
        return self.done(lambda service: service.start_restore(order))

    def exchange_cancelled(self) -> Outcome:
        """What was restored never proves to run, and somebody has enough of it: everything is put back."""
        self._spoil(None)
        self.hand.lab("instances/faults", {"checks": "impaired"}, "PUT")
        try:
            outcome, _ = self.session(self._cancelled_while_proved)
        finally:
            self.hand.lab("instances/faults", {"checks": "ok"}, "PUT")
        said = tuple(line for line in outcome.said if line != "cancelling")
        return Outcome(outcome.errors, said, bool(said))

    def volumes(self) -> Outcome:
        """From snapshots."""
        return self._volumes(self.snapshot_point)

    def backup_by_a_worker_that_cannot_start(self) -> Outcome:
        """It may not read its queue, so it can report nothing; only its console says it."""
        with self.appliance.impatient(), workers_without("TakeTask", "sqs:ReceiveMessage"):
            outcome = self.done(lambda service: service.run_policy("shop", ("backup",)))
        assert outcome.names("sqs:ReceiveMessage") or not outcome.fine, outcome
        return outcome

    def volumes_from_image(self) -> Outcome:
        """By a worker that writes snapshots."""
        return self._volumes(self.image_point)

    def read_back(self) -> Outcome:
        """By a worker that writes nothing but its result."""
        return self.done(lambda service: service.verify_point(self.image_point))

    def reaping(self) -> Outcome:
        """One of each kind that a dead appliance may have left."""
        self._leave_behind()
        return self._reaped()

    # -------------------------------------------------------------------------------------------------------- pieces

    def session(self, order: Callable[[Any], Any]) -> tuple[Outcome, SessionDetail | None]:
        try:
            answer = self.appliance.act(order)
        except HoldfastError as error:
            return Outcome((ItemError.of(error),)), None
        except TimeoutError as error:
            return Outcome(said=(f"it does not end: {error}",), warned=True), None
        if isinstance(answer, AccountCheck):
            return Outcome(said=answer.missing, warned=bool(answer.missing)), None
        if isinstance(answer, PolicyApplied):
            return Outcome(said=answer.warnings, warned=bool(answer.warnings)), None
        if not isinstance(answer, SessionDetail):
            return Outcome(), None
        session, tasks = answer.session, answer.tasks
        errors = [one for one in (session.error, *(task.error for task in tasks)) if one is not None]
        lines = self.appliance.records.sessions.lines(session.id, after=0, limit=1000)
        warnings = [*session.warnings, *(text for task in tasks for text in task.warnings)]
        loud = [line.message for line in lines if line.level != "info"]
        return Outcome(tuple(errors), (*warnings, *loud), bool(warnings or loud)), answer

    def done(self, order: Callable[[Any], Any]) -> Outcome:
        return self.session(order)[0]

    def _cancelled_while_proved(self, service: Any) -> Session:
        session: Session = service.start_restore(InstanceRestore(self.snapshot_point, replace=True))
        sessions = self.appliance.records.sessions
        until(lambda: "status checks" in sessions.tasks(session.id)[0].stage or sessions.get(session.id).state.final)
        service.cancel_session(session.id)
        return session

    def _planned(self, order: InstanceRestore) -> Outcome:
        try:
            plan = self.appliance.act(lambda service: service.plan_restore(order))
        except HoldfastError as error:
            return Outcome((ItemError.of(error),))
        return Outcome(said=plan.problems, warned=bool(plan.problems))

    def _reaped(self) -> Outcome:
        report = self.appliance.reap()
        return Outcome(said=tuple(report.failed), warned=bool(report.failed))

    def _volumes(self, point: str, ec2: Any = None) -> Outcome:
        outcome, detail = self.session(lambda service: service.start_restore(VolumeRestore(point)))
        for task in detail.tasks if detail is not None else ():
            made = task.result.get("volumes", {})
            assert isinstance(made, dict)
            for volume_id in made.values():
                (ec2 or self.ec2).delete_volume(VolumeId=volume_id)
        return outcome

    def point(self, detail: SessionDetail) -> str:
        (task,) = detail.tasks
        assert task.error is None, task.error
        return str(task.result.get("restore_point") or task.result["snapshot_point"])

    # --------------------------------------------------------------------------------------------- the customer's hand

    def _instance(self) -> str:
        customer, iam = self.account.customer, self.account.iam
        subnet = customer.subnet()
        self.groups = [self._group(name, subnet["VpcId"]) for name in ("shop", "other")]
        self.ec2.create_key_pair(KeyName="shop")
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        for name in ("shop", "other"):
            text = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=text)
            iam.create_instance_profile(InstanceProfileName=name)
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        instance_id = self._launch(subnet, 60)
        customer.write(instance_id, 1)
        return instance_id

    def _launch(self, subnet: Mapping[str, Any], last: int) -> str:
        beginning = str(subnet["CidrBlock"]).rsplit(".", 1)[0]
        primary = {"PrivateIpAddress": f"{beginning}.{last}", "Primary": True}
        second = {"PrivateIpAddress": f"{beginning}.{last + 1}", "Primary": False}
        network = {"DeviceIndex": 0, "SubnetId": subnet["SubnetId"], "Groups": [self.groups[0]]}
        data = {"VolumeSize": 1, "VolumeType": "gp3", "Encrypted": True, "KmsKeyId": self.account.volume_key}
        made = self.account.customer.run(
            BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": data | {"DeleteOnTermination": False}}],
            NetworkInterfaces=[{**network, "PrivateIpAddresses": [primary, second]}],
            KeyName="shop",
            IamInstanceProfile={"Name": "shop"},
            Monitoring={"Enabled": True},
            MetadataOptions={"HttpTokens": "required"},
            UserData="#!/bin/sh\ntrue\n",
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": f"shop-{last}"}]}],
        )
        instance_id = str(made["InstanceId"])
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, SourceDestCheck={"Value": False})
        for volume_id in self.account.customer.volumes(instance_id).values():
            self.ec2.create_tags(Resources=[volume_id], Tags=[{"Key": "disk", "Value": "of the shop"}])
        self.ec2.create_tags(Resources=[interface], Tags=[{"Key": "net", "Value": "of the shop"}])
        return instance_id

    def _group(self, name: str, vpc_id: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id)
        return str(made["GroupId"])

    def _spoil(self, profile: str | None = "other") -> None:
        """Somebody worked on the instance since its point, and gave it that profile."""
        ec2, here = self.ec2, self.rich
        instance = self.account.customer.instance(here)
        ec2.create_tags(Resources=[here], Tags=[{"Key": "Name", "Value": "spoilt"}, {"Key": "new", "Value": "one"}])
        interface = instance["NetworkInterfaces"][0]
        there = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
        ec2.modify_network_interface_attribute(**there, Groups=[self.groups[1]])
        for address in interface["PrivateIpAddresses"]:
            if not address["Primary"]:
                ec2.unassign_private_ip_addresses(**there, PrivateIpAddresses=[address["PrivateIpAddress"]])
        filters = [{"Name": "instance-id", "Values": [here]}]
        for one in ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]:
            if one["State"] == "associated":
                ec2.disassociate_iam_instance_profile(AssociationId=one["AssociationId"])
        if profile is not None:
            ec2.associate_iam_instance_profile(InstanceId=here, IamInstanceProfile={"Name": profile})
        ec2.modify_instance_metadata_options(InstanceId=here, HttpTokens="optional")
        ec2.unmonitor_instances(InstanceIds=[here])

    def _gone_instance(self) -> str:
        """A point of an instance that had an elastic address and is gone; made once."""
        if not hasattr(self, "_gone"):
            instance_id = self._launch(self.account.customer.subnet(), 90)
            address = self.ec2.allocate_address(Domain="vpc")
            self.ec2.associate_address(InstanceId=instance_id, AllocationId=address["AllocationId"])
            detail = self.appliance.act(lambda service: service.take_snapshot("own", REGION, instance_id))
            self._gone = self.point(detail)
            self._terminate(instance_id)
        return self._gone

    def _end_restored(self, detail: SessionDetail | None) -> None:
        for task in detail.tasks if detail is not None else ():
            if task.result.get("instance_id"):
                self._terminate(str(task.result["instance_id"]))

    def _terminate(self, instance_id: str) -> None:
        volumes = self.account.customer.volumes(instance_id)
        self.ec2.terminate_instances(InstanceIds=[instance_id])
        self.account.customer.in_state(instance_id, "terminated")
        for volume_id in volumes.values():
            with suppress(ClientError):
                self.ec2.delete_volume(VolumeId=volume_id)

    def _leave_behind(self) -> None:
        """Of a session that has ended, as if the appliance had died in it."""
        iam, ec2, sqs = self.account.iam, self.ec2, self.hand.client("sqs")
        ended = self.appliance.records.sessions.page(before=None, limit=1)[0].id
        tags = Ownership(APPLIANCE_ID, ended, "0" * 32, 1, "worker").tags()
        name = f"holdfast-worker-{APPLIANCE_ID[:8]}-{'0' * 24}"
        sqs.create_queue(QueueName=name, tags=tags)
        path, trust = f"/holdfast/worker/{APPLIANCE_ID}/", {"Version": "2012-10-17", "Statement": []}
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust), Tags=as_list(tags))
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_instance_profile(InstanceProfileName=name, Path=path, Tags=as_list(tags))
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        subnet = self.account.customer.subnet()

        def born(kind: str, purpose: str = "worker") -> list[dict[str, Any]]:
            return [{"ResourceType": kind, "Tags": as_list(tags | {"holdfast:purpose": purpose})}]

        volume = {"AvailabilityZone": subnet["AvailabilityZone"], "Size": 1}
        made = ec2.create_volume(**volume, TagSpecifications=born("volume", "restore"))["VolumeId"]
        ec2.create_network_interface(SubnetId=subnet["SubnetId"], TagSpecifications=born("network-interface"))
        with suppress(ClientError):
            ec2.create_security_group(
                GroupName="left", Description="left", VpcId=subnet["VpcId"], TagSpecifications=born("security-group")
            )
        ec2.get_waiter("volume_available").wait(VolumeIds=[made], WaiterConfig=_WAIT)
        snapshot = self.hand.completed(
            ec2.create_snapshot(VolumeId=made, TagSpecifications=born("snapshot", "restore"))["SnapshotId"]
        )
        # An instance that somebody forbade to end is not ours to leave; one of ours is a worker.
        ec2.run_instances(
            ImageId=self.account.customer.image(), InstanceType="t3.small", MinCount=1, MaxCount=1,
            SubnetId=subnet["SubnetId"], UserData=base64.b64encode(b"").decode(), TagSpecifications=born("instance"),
        )  # fmt: skip
        mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
        with suppress(ClientError):
            ec2.register_image(
                Name="left", RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping,
                TagSpecifications=born("image", "restore"),
            )  # fmt: skip


def _registered(repository: RepositoryDefinition, service: Any) -> Any:
    return service.put_repository(repository, PASSWORD)
