"""CloudFormation in the lab: stacks take time, their resources are whole, and failures leave nothing behind."""

import json

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.e2e.lab.account import HOUR_SECONDS, Account
from tests.e2e.lab.people import HERE, Person, allow, deny, document, refused
from tests.labs import start_lab

NAME = [{"ParameterKey": "Name", "ParameterValue": "hf"}]
NOW = {"Delay": 1, "MaxAttempts": 1}


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults=f"iam=0ms,quota=off,pending={HOUR_SECONDS}s") as lab:
        yield Account(lab.endpoint)


@pytest.fixture
def root(lab):
    return Person(lab.endpoint, HERE)


def sub(text):
    return {"Fn::Sub": text}


def get(name, attribute="Arn"):
    return {"Fn::GetAtt": [name, attribute]}


def policy(*statements):
    return json.loads(document(*statements))


def bucket(days):
    return {
        "BucketName": sub("${Name}-bucket"),
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True,
        },
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "LifecycleConfiguration": {
            "Rules": [
                {"Id": "parts", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}}
            ]
        },
        "VersioningConfiguration": {"Status": "Enabled"},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "Tags": [{"Key": "Owner", "Value": "holdfast"}],
    }  # fmt: skip


def template(days=1, action="s3:GetObject", retention=1200, port=443):
    """Everything that a set-up of an account is made of."""
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    resources = {
        "Bucket": ("AWS::S3::Bucket", bucket(days)),
        "BucketPolicy": ("AWS::S3::BucketPolicy", {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": policy(deny("s3:*", sub("${Bucket.Arn}/*"), Principal="*", Condition=insecure)),
        }),
        "Role": ("AWS::IAM::Role", {
            "RoleName": sub("${Name}-role"),
            "AssumeRolePolicyDocument": policy(
                {"Effect": "Allow", "Principal": {"AWS": HERE}, "Action": "sts:AssumeRole"}),
            "Policies": [{"PolicyName": "p", "PolicyDocument": policy(allow(action, sub("${Bucket.Arn}/*")))}],
            "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
            "Tags": [{"Key": "Owner", "Value": "holdfast"}],
        }),
        "Profile": ("AWS::IAM::InstanceProfile",
                    {"InstanceProfileName": sub("${Name}-profile"), "Roles": [{"Ref": "Role"}]}),
        "Queue": ("AWS::SQS::Queue", {"QueueName": sub("${Name}-queue"), "MessageRetentionPeriod": retention}),
        "QueuePolicy": ("AWS::SQS::QueuePolicy", {
            "Queues": [{"Ref": "Queue"}],
            "PolicyDocument": policy(allow("sqs:SendMessage", get("Queue"),
                                           Principal={"Service": "events.amazonaws.com"})),
        }),
        "Key": ("AWS::KMS::Key", {
            "EnableKeyRotation": True,
            "KeyPolicy": policy(allow("kms:*", Principal={"AWS": sub("arn:aws:iam::${AWS::AccountId}:root")})),
        }),
        "Alias": ("AWS::KMS::Alias", {"AliasName": sub("alias/${Name}"), "TargetKeyId": {"Ref": "Key"}}),
        "Vpc": ("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16"}),
        "Group": ("AWS::EC2::SecurityGroup", {
            "GroupName": sub("${Name}-group"), "GroupDescription": "workers", "VpcId": {"Ref": "Vpc"},
            "SecurityGroupIngress": [
                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "10.0.0.0/8"}],
            "SecurityGroupEgress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}],
        }),
    }  # fmt: skip
    outputs = {"BucketName": {"Ref": "Bucket"}, "RoleArn": get("Role"), "QueueArn": get("Queue"), "KeyArn": get("Key")}
    return json.dumps(
        {
            "Parameters": {"Name": {"Type": "String"}},
            "Resources": {name: {"Type": kind, "Properties": facts} for name, (kind, facts) in resources.items()},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
    )


def stack(root, name):
    (found,) = root.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return found


def group_of(root):
    wanted = [{"Name": "group-name", "Values": ["hf-group"]}]
    return root.client("ec2").describe_security_groups(Filters=wanted)["SecurityGroups"]


def test_life_of_a_stack(root, lab):
    cloudformation = root.client("cloudformation")
    cloudformation.create_stack(StackName="hf", TemplateBody=template(), Parameters=NAME)
    assert stack(root, "hf")["StackStatus"] == "CREATE_IN_PROGRESS"
    assert "Outputs" not in stack(root, "hf")
    lab.advance(HOUR_SECONDS)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="hf", WaiterConfig=NOW)
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack(root, "hf")["Outputs"]}
    assert outputs["BucketName"] == "hf-bucket"
    assert outputs["RoleArn"] == f"arn:aws:iam::{HERE}:role/hf-role"
    created(root, outputs)
    group_id = group_of(root)[0]["GroupId"]
    changed = template(days=7, action="s3:PutObject", retention=1300, port=444)
    cloudformation.update_stack(StackName="hf", TemplateBody=changed, Parameters=NAME)
    assert stack(root, "hf")["StackStatus"] == "UPDATE_IN_PROGRESS"
    lab.advance(HOUR_SECONDS)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="hf", WaiterConfig=NOW)
    updated(root, group_id)
    cloudformation.delete_stack(StackName="hf")
    assert stack(root, "hf")["StackStatus"] == "DELETE_IN_PROGRESS"
    lab.advance(HOUR_SECONDS)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="hf", WaiterConfig=NOW)
    assert refused(cloudformation.describe_stacks, StackName="hf") == ("ValidationError", 400)
    gone(root, outputs)


def created(root, outputs):
    s3, iam, kms = root.client("s3"), root.client("iam"), root.client("kms")
    block = s3.get_public_access_block(Bucket="hf-bucket")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert s3.get_bucket_versioning(Bucket="hf-bucket")["Status"] == "Enabled"
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="hf-bucket")["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert json.loads(s3.get_bucket_policy(Bucket="hf-bucket")["Policy"])["Statement"][0]["Effect"] == "Deny"
    role = iam.get_role(RoleName="hf-role")["Role"]
    assert role["Tags"] == [{"Key": "Owner", "Value": "holdfast"}]
    (statement,) = iam.get_role_policy(RoleName="hf-role", PolicyName="p")["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("s3:GetObject", "arn:aws:s3:::hf-bucket/*")
    (attached,) = iam.list_attached_role_policies(RoleName="hf-role")["AttachedPolicies"]
    assert attached["PolicyName"] == "AmazonSSMManagedInstanceCore"
    assert kms.get_key_rotation_status(KeyId=kms.describe_key(KeyId="alias/hf")["KeyMetadata"]["KeyId"])[
        "KeyRotationEnabled"
    ]
    assert len(group_of(root)[0]["IpPermissionsEgress"]) == 1
    session = root.session(outputs["RoleArn"])
    assert refused(session.client("s3").put_object, Bucket="hf-bucket", Key="k", Body=b"") == ("AccessDenied", 403)


def updated(root, group_id):
    (rule,) = root.client("s3").get_bucket_lifecycle_configuration(Bucket="hf-bucket")["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    policy_now = root.client("iam").get_role_policy(RoleName="hf-role", PolicyName="p")["PolicyDocument"]
    assert policy_now["Statement"][0]["Action"] == "s3:PutObject"
    sqs = root.client("sqs")
    url = sqs.get_queue_url(QueueName="hf-queue")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "1300"
    assert "events.amazonaws.com" in attributes["Policy"]
    (group,) = group_of(root)
    assert (group["GroupId"], group["IpPermissions"][0]["FromPort"]) == (group_id, 444)
    profile = root.client("iam").get_instance_profile(InstanceProfileName="hf-profile")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["hf-role"]


def gone(root, outputs):
    assert refused(root.client("s3").head_bucket, Bucket="hf-bucket")[1] == 404
    assert refused(root.client("iam").get_role, RoleName="hf-role")[0] == "NoSuchEntity"
    assert refused(root.client("iam").get_instance_profile, InstanceProfileName="hf-profile")[0] == "NoSuchEntity"
    assert refused(root.client("sqs").get_queue_url, QueueName="hf-queue")[0].endswith("NonExistentQueue")
    assert group_of(root) == []
    key = root.client("kms").describe_key(KeyId=outputs["KeyArn"])["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"


def test_failure_rolls_back_and_says_why(root, lab):
    cloudformation = root.client("cloudformation")
    body = {
        "Resources": {
            "First": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "rolled-back"}},
            "Second": {
                "Type": "AWS::IAM::InstanceProfile",
                "Properties": {"InstanceProfileName": sub("${First}-p"), "Roles": ["missing"]},
            },
        }
    }
    cloudformation.create_stack(StackName="failing", TemplateBody=json.dumps(body))
    assert stack(root, "failing")["StackStatus"] == "CREATE_IN_PROGRESS"
    lab.advance(HOUR_SECONDS)
    assert stack(root, "failing")["StackStatus"] == "ROLLBACK_IN_PROGRESS"
    lab.advance(HOUR_SECONDS)
    with pytest.raises(WaiterError, match="terminal failure"):
        cloudformation.get_waiter("stack_create_complete").wait(StackName="failing", WaiterConfig=NOW)
    assert stack(root, "failing")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert refused(root.client("s3").head_bucket, Bucket="rolled-back")[1] == 404
    events = cloudformation.describe_stack_events(StackName="failing")["StackEvents"]
    (failed,) = [one for one in events if one["ResourceStatus"] == "CREATE_FAILED"]
    assert (failed["LogicalResourceId"], failed["ResourceType"]) == ("Second", "AWS::IAM::InstanceProfile")
    assert "missing" in failed["ResourceStatusReason"]
    cloudformation.delete_stack(StackName="failing")


def test_failing_update_is_taken_back(root, lab):
    cloudformation = root.client("cloudformation")

    def body(retention, roles):
        resources = {
            "Queue": {"Type": "AWS::SQS::Queue",
                      "Properties": {"QueueName": "kept", "MessageRetentionPeriod": retention}},
            "Profile": {"Type": "AWS::IAM::InstanceProfile",
                        "Properties": {"InstanceProfileName": "kept", "Roles": roles}},
        }  # fmt: skip
        return json.dumps({"Resources": resources})

    root.role("kept", document(allow("sts:AssumeRole", Principal={"AWS": HERE})))
    cloudformation.create_stack(StackName="kept", TemplateBody=body(600, ["kept"]))
    lab.advance(HOUR_SECONDS)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="kept", WaiterConfig=NOW)
    cloudformation.update_stack(StackName="kept", TemplateBody=body(700, ["missing"]))
    lab.advance(2 * HOUR_SECONDS)
    assert stack(root, "kept")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    sqs = root.client("sqs")
    url = sqs.get_queue_url(QueueName="kept")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "600"


def test_bucket_with_objects_stays(root, lab):
    cloudformation, s3 = root.client("cloudformation"), root.client("s3")
    body = json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "full"}}}})
    cloudformation.create_stack(StackName="full", TemplateBody=body)
    lab.advance(HOUR_SECONDS)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="full", WaiterConfig=NOW)
    s3.put_object(Bucket="full", Key="k", Body=b"x")
    cloudformation.delete_stack(StackName="full")
    lab.advance(HOUR_SECONDS)
    assert stack(root, "full")["StackStatus"] == "DELETE_FAILED"
    assert "not empty" in stack(root, "full")["StackStatusReason"]
    s3.delete_object(Bucket="full", Key="k")
    cloudformation.delete_stack(StackName="full")
    lab.advance(HOUR_SECONDS)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="full", WaiterConfig=NOW)


def test_type_that_the_lab_has_not(root):
    body = json.dumps({"Resources": {"X": {"Type": "AWS::Nothing::Here"}}})
    with pytest.raises(ClientError) as error:
        root.client("cloudformation").create_stack(StackName="unknown", TemplateBody=body)
    assert "Unrecognized resource types: [AWS::Nothing::Here]" in str(error.value)


def test_quotas_are_told(root):
    quotas = root.client("service-quotas")
    vcpus = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
    assert vcpus["Value"] == 256
    found = {one["QuotaName"]: one["Value"] for one in quotas.list_service_quotas(ServiceCode="ebs")["Quotas"]}
    assert found["GetSnapshotBlock requests per account"] == 1000
    assert found["StartSnapshot requests per account"] == 10
    assert refused(quotas.get_service_quota, ServiceCode="ebs", QuotaCode="L-0")[0] == "NoSuchResourceException"
