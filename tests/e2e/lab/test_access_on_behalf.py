"""What services do on behalf of their callers, they ask IAM for: CloudFormation its resources, EBS its keys."""

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import Account, until
from tests.e2e.lab.people import HERE, Person, allow, refused, trusting
from tests.labs import start_lab

BLOCK = b"\x07" * 512 * 1024
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q", "Tags": [{"Key": "team", "Value": "a"}]}}
TEMPLATE = json.dumps({"Resources": {"Queue": QUEUE}})
# What the guide lists for writing encrypted snapshots, beside a grant ("Control access to EBS direct APIs using IAM").
SEALING = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
MAKING = ("sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:TagQueue", "sqs:GetQueueAttributes", "sqs:ListQueueTags")


@pytest.fixture(scope="module")
def root():
    with start_lab(faults="iam=0ms,quota=off,pending=50ms") as lab:
        yield Person(lab.endpoint, HERE)


def made(person, root, name, **more):
    """The status that a stack comes to, and what its events say."""
    cloudformation = root.client("cloudformation")
    stack = person.client("cloudformation").create_stack(StackName=name, TemplateBody=TEMPLATE, **more)["StackId"]

    def status():
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return found["StackStatus"]

    until(lambda: not status().endswith("IN_PROGRESS"))
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return status(), " ".join(one.get("ResourceStatusReason", "") for one in events)


def queues(root):
    return root.client("sqs").list_queues().get("QueueUrls", [])


@pytest.mark.parametrize("lacking", MAKING)
def test_a_stack_is_made_with_the_rights_of_its_caller(root, lacking):
    rights = [one for one in MAKING if one != lacking]
    person = root.user(f"builder-{lacking[4:]}", allow("cloudformation:*"), allow(rights))
    status, said = made(person, root, f"without-{lacking[4:]}")
    assert status == "ROLLBACK_COMPLETE"
    assert f"is not authorized to perform: {lacking} on resource: arn:aws:sqs:us-east-1:{HERE}:q" in said
    assert not queues(root)


def test_or_with_those_of_its_role_and_without_them_it_stays(root):
    trust = trusting(f"arn:aws:iam::{HERE}:root")
    role = root.role("stacks", trust, allow([*MAKING, "sqs:DeleteQueue"]))
    person = root.user("handing-over", allow("cloudformation:*"), allow("iam:PassRole", role))
    assert made(person, root, "by-role", RoleARN=role)[0] == "CREATE_COMPLETE"
    assert len(queues(root)) == 1
    person.client("cloudformation").delete_stack(StackName="by-role")
    cloudformation = root.client("cloudformation")
    until(lambda: cloudformation.describe_stacks(StackName="by-role")["Stacks"][0]["StackStatus"] == "DELETE_FAILED")
    assert len(queues(root)) == 1
    person.client("cloudformation").delete_stack(StackName="by-role", RoleARN=role)
    until(lambda: not queues(root))


def test_blocks_of_encrypted_snapshots_need_their_key(root):
    key = root.client("kms").create_key()["KeyMetadata"]["Arn"]
    ebs = allow(["ebs:*", "ec2:CreateTags"], "arn:aws:ec2:*::snapshot/*")
    writing = allow([*SEALING], key)
    lending = allow("kms:CreateGrant", key, Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
    writer = root.user("sealing", ebs, writing, lending).client("ebs")
    asked = {"VolumeSize": 1, "Encrypted": True, "KmsKeyArn": key}
    lacking = {one: (ebs, allow([use for use in SEALING if use != one], key), lending) for one in SEALING}
    for name, rights in {"lends:not": (ebs, writing), **lacking}.items():
        answer = _denial(root.user(name.replace(":", "-"), *rights).client("ebs"), "start_snapshot", **asked)
        assert answer == ("AccessDeniedException", "DEPENDENCY_ACCESS_DENIED"), name
    snapshot_id = writer.start_snapshot(**asked)["SnapshotId"]
    checksum = base64.b64encode(hashlib.sha256(BLOCK).digest()).decode()
    block = {"SnapshotId": snapshot_id, "BlockIndex": 0, "BlockData": BLOCK, "DataLength": len(BLOCK)}
    sums = {"Checksum": checksum, "ChecksumAlgorithm": "SHA256"}
    outsider = root.user("outside", ebs).client("ebs")
    assert _denial(outsider, "put_snapshot_block", **block, **sums)[1] == "DEPENDENCY_ACCESS_DENIED"
    writer.put_snapshot_block(**block, **sums)
    writer.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    Account(root.endpoint).completed(snapshot_id)
    (listed,) = outsider.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    wanted = {"SnapshotId": snapshot_id, "BlockIndex": 0, "BlockToken": listed["BlockToken"]}
    assert refused(outsider.get_snapshot_block, **wanted) == ("AccessDeniedException", 403)
    opener = root.user("opening", ebs, allow("kms:Decrypt", key)).client("ebs")
    assert opener.get_snapshot_block(**wanted)["BlockData"].read() == BLOCK


def test_the_default_key_of_the_account_is_asked_for_where_none_is_named(root):
    account = Account(root.endpoint, region="eu-west-3")
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    account.ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    assert account.ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
    ebs = allow("ebs:*", "arn:aws:ec2:*::snapshot/*")
    using = allow([*SEALING, "kms:CreateGrant"], key)
    without, having = (
        replace(root.user(name, *rights), region=account.region).client("ebs")
        for name, rights in (("default-without", (ebs,)), ("default-with", (ebs, using)))
    )
    without.start_snapshot(VolumeSize=1)
    assert _denial(without, "start_snapshot", VolumeSize=1, Encrypted=True)[1] == "DEPENDENCY_ACCESS_DENIED"
    account.ec2.enable_ebs_encryption_by_default()
    assert _denial(without, "start_snapshot", VolumeSize=1)[1] == "DEPENDENCY_ACCESS_DENIED"
    made = having.start_snapshot(VolumeSize=1)
    assert made["KmsKeyArn"] == key


def test_objects_under_a_key_of_somebody_s_need_it_through_s3(root):
    key = root.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3 = root.client("s3")
    s3.create_bucket(Bucket="sealed")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    all_of_s3 = allow("s3:*", "arn:aws:s3:::sealed*")
    through = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    writer = root.user("s3-writer", all_of_s3, allow("kms:GenerateDataKey", key, Condition=through)).client("s3")
    reader = root.user("s3-reader", all_of_s3, allow("kms:Decrypt", key, Condition=through)).client("s3")
    one, asked = {"Bucket": "sealed", "Key": "one"}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    reader.put_object(**one, Body=b"plain")
    assert reader.get_object(**one)["Body"].read() == b"plain"
    assert "kms:GenerateDataKey" in _words(reader.put_object, **one, **asked)
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration=rules)
    assert f'kms:GenerateDataKey on resource: "{key}"' in _words(reader.put_object, **one, Body=b"")
    reader.put_object(**one, Body=b"under S3's own", ServerSideEncryption="AES256")
    writer.put_object(**one, Body=b"sealed")
    assert reader.get_object(**one)["Body"].read() == b"sealed"
    assert "kms:Decrypt" in _words(writer.get_object, **one)
    assert "kms:Decrypt" in _words(writer.copy_object, Bucket="sealed", Key="two", CopySource="sealed/one")
    writer.head_object(**one)
    assert refused(writer.head_object, **one, ChecksumMode="ENABLED") == ("403", 403)


def test_under_aws_s_own_key_nobody_is_asked(root):
    account = Account(root.endpoint)
    volume = account.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, Encrypted=True)["VolumeId"]
    account.ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
    account.write(volume, {0: BLOCK})
    snapshot_id = account.snapshot(volume)
    ebs = root.user("plain", allow("ebs:*", "arn:aws:ec2:*::snapshot/*")).client("ebs")
    (listed,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    read = ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockToken=listed["BlockToken"])
    assert read["BlockData"].read() == BLOCK


def _words(call, **asked):
    with pytest.raises(ClientError) as error:
        call(**asked)
    return error.value.response["Error"]["Message"]


def _denial(client, operation, **asked):
    """Code and reason."""
    with pytest.raises(client.exceptions.AccessDeniedException) as error:
        getattr(client, operation)(**asked)
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("Reason")
