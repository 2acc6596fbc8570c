"""Workers launched through the adapters, by an appliance that has the rights of its policy and no others."""

import json
from dataclasses import replace

import pytest

from holdfast.appliance.ports.cloud import WorkerOrder
from holdfast.aws.policies.appliance import ApplianceScope, appliance_grants
from holdfast.aws.policies.grants import as_text, document
from holdfast.aws.policies.worker import worker_boundary_grants
from holdfast.domain.errors import ConflictError, PermissionDeniedError, QuotaReachedError
from holdfast.domain.ownership import PURPOSE, WORKER
from holdfast.protocol.appliance_answers import AwsSettings
from tests.e2e.aws.cloud_in_lab import OWN, REGION, CloudInLab, owner
from tests.e2e.aws.test_cloud_restores import backed_up, customer, order_of
from tests.e2e.lab.account import Account, until
from tests.labs import start_lab

ACCOUNT_ID = "123456789012"
CONTEXT = {"holdfast:session": "8" * 32, "holdfast:attempt": "1"}


def stack(account):
    """What the plug-in's stack makes; the bundle is none, so that a worker says on its console why it ends."""
    iam, sqs, kms = (account.client(name) for name in ("iam", "sqs", "kms"))
    queue_url = sqs.create_queue(QueueName="holdfast-events-1")["QueueUrl"]
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:holdfast-events-1"
    boundary = document(worker_boundary_grants("aws", ACCOUNT_ID, key_arn, queue_arn))
    boundary_arn = iam.create_policy(PolicyName="boundary", Path="/holdfast/", PolicyDocument=json.dumps(boundary))[
        "Policy"
    ]["Arn"]
    account.s3.create_bucket(Bucket="holdfast-bundles")
    settings = AwsSettings(
        stack="holdfast-1",
        region=REGION,
        account_id=ACCOUNT_ID,
        bundle_bucket="holdfast-bundles",
        bundles={"x86_64": {"key": "bundles/none.tar.gz", "sha256": "0" * 64}},
        kms_key_arn=key_arn,
        event_queue_url=queue_url,
        worker_boundary_arn=boundary_arn,
    )
    scope = ApplianceScope("aws", ACCOUNT_ID, key_arn, queue_arn, boundary_arn)
    user = iam.create_user(UserName="appliance")["User"]["UserName"]
    iam.put_user_policy(UserName=user, PolicyName="appliance", PolicyDocument=as_text(appliance_grants(scope)))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    account.advance(1)  # IAM knows it by then
    return settings, key


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=50ms,vcpus=64,iam=50ms") as process:
        yield process, stack(Account(process.endpoint))


@pytest.fixture
def world(lab, monkeypatch):
    process, (settings, key) = lab
    monkeypatch.setenv("AWS_ENDPOINT_URL", process.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return CloudInLab(Account(process.endpoint), settings)


def worker_order(world, task, **more):
    return WorkerOrder(
        owner(task, purpose=WORKER),
        "s3://shop-backups/holdfast",
        "8" * 32,
        **{"instance_type": "t3.small", "reads_snapshots": ("snap-0",), **more},
    )


def census(world):
    """Everything of workers in the account."""
    iam, sqs = world.account.client("iam"), world.account.client("sqs")
    roles = [one["RoleName"] for one in iam.list_roles(PathPrefix="/holdfast/worker/")["Roles"]]
    profiles = iam.list_instance_profiles(PathPrefix="/holdfast/worker/")["InstanceProfiles"]
    queues = sqs.list_queues(QueueNamePrefix="holdfast-worker-").get("QueueUrls", [])
    return len(roles), len(profiles), len(queues)


def test_a_worker_has_all_of_its_own_and_leaves_nothing(world):
    workers = world.cloud.workers(REGION)
    order = worker_order(world, "1", tags={"cost": "shop"})
    worker = workers.launch(order)
    assert workers.launch(order) == worker
    instance = world.instance(worker.instance_id)
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags.items() >= {"cost": "shop", PURPOSE: WORKER, "holdfast:task": "1" * 32}.items()
    (group,) = instance["SecurityGroups"]
    (facts,) = world.account.ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    assert facts["IpPermissions"] == [], "nothing comes in"
    assert census(world) == (1, 1, 1)

    workers.send(worker, "pointer")
    key_id, wrapped = workers.wrap_key(worker, b"k" * 32, CONTEXT)
    assert key_id == world.settings.kms_key_arn
    kms = world.account.client("kms")
    bound = CONTEXT | {"holdfast:userid": worker.user_id}
    assert kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=bound)["Plaintext"] == b"k" * 32
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=CONTEXT)

    until(lambda: "holdfast" in workers.console(worker))
    kinds = {(one.kind, one.ownership.task_id) for one in world.cloud.belongings(OWN, REGION).owned() if one.ownership}
    ours = {kind for kind, task in kinds if task == "1" * 32}
    assert ours == {"instance", "role", "instance-profile", "queue"}, "disk and interface go with the instance"
    workers.terminate(worker)
    workers.terminate(worker)
    until(lambda: workers.state(worker) is None)
    assert census(world) == (0, 0, 0)
    assert {kind for kind, _ in world.ledger.open_objects()} == {"security-group"}, "kept for the next worker"


def test_a_quota_is_told_with_its_action_and_nothing_stays(world):
    with pytest.raises(QuotaReachedError, match="ec2:RunInstances"):
        world.cloud.workers(REGION).launch(worker_order(world, "2", instance_type="c5.24xlarge"))
    assert census(world) == (0, 0, 0)


def refused_types(world, **faults):
    world.account.lab("instances/faults", {"no_room": [], "not_offered": []} | faults, "PUT")


def test_where_there_is_no_room_another_zone_or_type_is_found(world):
    refused_types(world, not_offered=["c5.large"], no_room=[f"c6i.large@{REGION}{zone}" for zone in "abcde"])
    workers = world.cloud.workers(REGION)
    try:
        worker = workers.launch(worker_order(world, "4", instance_type=None))
    finally:
        refused_types(world)
    assert (worker.instance_type, worker.zone) == ("c6i.large", f"{REGION}f")
    instance = world.instance(worker.instance_id)
    assert (instance["InstanceType"], instance["Placement"]["AvailabilityZone"]) == (worker.instance_type, worker.zone)
    workers.terminate(worker)
    until(lambda: workers.state(worker) is None)
    assert census(world) == (0, 0, 0)
    assert {kind for kind, _ in world.ledger.open_objects()} <= {"security-group"}


def test_a_type_that_is_named_is_not_replaced_and_nothing_stays(world):
    refused_types(world, no_room=["t3.small"])
    try:
        with pytest.raises(ConflictError, match="no place") as error:
            world.cloud.workers(REGION).launch(worker_order(world, "5"))
        refused_types(world, no_room=["c5.large", "c6i.large", "c5a.large", "m5.large"])
        with pytest.raises(QuotaReachedError, match="no place"):
            world.cloud.workers(REGION).launch(worker_order(world, "6", instance_type=None))
    finally:
        refused_types(world)
    assert "InsufficientInstanceCapacity" in error.value.why
    assert census(world) == (0, 0, 0)
    assert {kind for kind, _ in world.ledger.open_objects()} <= {"security-group"}


def test_the_reaper_removes_a_worker_that_nobody_remembers(world):
    workers = world.cloud.workers(REGION)
    worker = workers.launch(worker_order(world, "3"))
    belongings = world.cloud.belongings(OWN, REGION)
    for one in list(belongings.owned()):
        if one.ownership and one.ownership.task_id == "3" * 32 and one.kind in ("instance", "queue", "role"):
            belongings.remove(one)
            belongings.remove(one)
    until(lambda: workers.state(worker) is None)
    assert census(world) == (0, 0, 0)


def test_without_settings_there_are_no_workers(world):
    with pytest.raises(ConflictError, match="cannot launch workers"):
        CloudInLab(world.account).cloud.workers(REGION)


def test_events_are_received_and_deleted(world):
    sqs = world.account.client("sqs")
    events = world.cloud.events(REGION)
    for number in range(12):
        sqs.send_message(QueueUrl=events.url, MessageBody=str(number))
    heard = {}

    def all_are_heard():
        # What nobody has done for 30 s comes again, under another receipt.
        heard.update(dict(events.receive(0)))
        return len(set(heard.values())) == 12

    until(all_are_heard)
    assert set(heard.values()) == {str(number) for number in range(12)}
    events.done(list(heard))
    assert events.receive(0) == []


def test_restores_need_no_more_than_the_policy_grants(world):
    """The same as in test_cloud_restores, where any credentials do."""
    old = customer(world, 140)
    contents = world.contents(old)
    before, snapshots = backed_up(world, old, "8")
    world.site.stop_instance(old)
    order = order_of(world, before, snapshots, instance_type="t3.medium", tags={"Name": "other"})
    world.site.exchange_volumes(owner("8"), old, order)
    world.site.discard_kept_volumes(owner("8"), old)
    assert world.contents(old) == contents
    world.account.ec2.terminate_instances(InstanceIds=[old])
    world.in_state(old, "terminated")
    made = world.site.make_instance(owner("8"), replace(order, power_on=False))
    assert world.contents(made.instance_id) == contents
    with pytest.raises(PermissionDeniedError, match="ec2:TerminateInstances"):
        # What a customer has is none of ours.
        world.cloud.belongings(OWN, REGION).remove(_foreign_instance(world))
    refused = {one["action"] for one in _decisions(world) if one["decision"] != "allowed"}
    assert {action for action in refused if action.startswith("ec2:")} == {"ec2:TerminateInstances"}


def _foreign_instance(world):
    made = world.run()
    (one, *_) = [found for found in world.cloud.belongings(OWN, REGION).owned() if found.kind == "instance"]
    return replace(one, id=made["InstanceId"])


def _decisions(world):
    asked = world.account.lab("access")["decisions"]
    return [one for one in asked if "appliance" in one["principal"]]
