"""Which actions, resources and keys requests demand: the tables, read through real requests of botocore."""

import io
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.iam.models import iam_backends

from holdfast.lab.access.calls import read_call
from holdfast.lab.access.demands import demands_of
from holdfast.lab.access.enforcing import enforce
from holdfast.lab.access.evaluator import Principal
from holdfast.lab.request_scope import scope_of

ACCOUNT = "123456789012"
EC2 = f"arn:aws:ec2:us-east-1:{ACCOUNT}"
IMAGES = "arn:aws:ec2:us-east-1:"
PRINCIPAL = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/u", "AIDA", "u")
TAGS = [{"Key": "Owner", "Value": "holdfast"}]


@pytest.fixture(scope="module")
def identities():
    return enforce(lambda: 0.0, 0.0).identities


class StopError(Exception):
    """Carries a prepared request out of botocore before it is sent."""


def environ_of(service, operation, arguments):
    client = boto3.client(
        service, endpoint_url="http://127.0.0.1:1", region_name="us-east-1", aws_access_key_id="k",
        aws_secret_access_key="s", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    caught = []

    def catch(request, **facts):
        caught.append(request)
        raise StopError

    client.meta.events.register("before-send", catch)
    with pytest.raises(StopError):
        getattr(client, operation)(**arguments)
    (request,) = caught
    path, _, query = request.url.removeprefix("http://127.0.0.1:1").partition("?")
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode() if isinstance(
        request.body, str | None) else b""  # fmt: skip
    environ = {"REQUEST_METHOD": request.method, "PATH_INFO": path, "RAW_URI": f"{path}?{query}" if query else path,
               "QUERY_STRING": query, "wsgi.input": io.BytesIO(body), "SERVER_NAME": "x", "SERVER_PORT": "1",
               "wsgi.url_scheme": "http"}  # fmt: skip
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode() if isinstance(value, bytes) else str(value)
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = text
    return environ


def asked(identities, service, operation, **arguments):
    environ = environ_of(service, operation, arguments)
    return demands_of(read_call(scope_of(environ), ACCOUNT, environ), PRINCIPAL, identities)


def pairs(demands):
    return [(demand.action, demand.resource) for demand in demands]


def tagged(kind):
    return [{"ResourceType": kind, "Tags": TAGS}]


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("describe_instances", {}, [("ec2:DescribeInstances", "*")]),
        (
            "terminate_instances", {"InstanceIds": ["i-0123456789abcdef0", "i-0123456789abcdef1"]},
            [("ec2:TerminateInstances", f"{EC2}:instance/i-0123456789abcdef{n}") for n in (0, 1)],
        ),
        (
            "create_snapshot", {"VolumeId": "vol-0123456789abcdef0", "TagSpecifications": tagged("snapshot")},
            [
                ("ec2:CreateSnapshot", f"{EC2}:volume/vol-0123456789abcdef0"),
                ("ec2:CreateSnapshot", f"{IMAGES}:snapshot/*"),
                ("ec2:CreateTags", f"{IMAGES}:snapshot/*"),
            ],
        ),
        (
            "create_snapshots", {"InstanceSpecification": {"InstanceId": "i-0123456789abcdef0"}},
            [
                ("ec2:CreateSnapshots", f"{EC2}:instance/i-0123456789abcdef0"),
                ("ec2:CreateSnapshots", f"{IMAGES}:snapshot/*"),
            ],
        ),
        (
            "delete_snapshot", {"SnapshotId": "snap-0123456789abcdef0"},
            [("ec2:DeleteSnapshot", f"{IMAGES}:snapshot/snap-0123456789abcdef0")],
        ),
        (
            "attach_volume",
            {"Device": "/dev/sdf", "InstanceId": "i-0123456789abcdef0", "VolumeId": "vol-0123456789abcdef0"},
            [
                ("ec2:AttachVolume", f"{EC2}:instance/i-0123456789abcdef0"),
                ("ec2:AttachVolume", f"{EC2}:volume/vol-0123456789abcdef0"),
            ],
        ),
        (
            "register_image",
            {
                "Name": "name",
                "BlockDeviceMappings": [{"DeviceName": "/dev/sda", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}],
            },
            [
                ("ec2:RegisterImage", f"{IMAGES}:snapshot/snap-0123456789abcdef0"),
                ("ec2:RegisterImage", f"{IMAGES}:image/*"),
            ],
        ),
        (
            "create_security_group", {"GroupName": "g", "Description": "d", "VpcId": "vpc-0123456789abcdef0"},
            [
                ("ec2:CreateSecurityGroup", f"{EC2}:vpc/vpc-0123456789abcdef0"),
                ("ec2:CreateSecurityGroup", f"{EC2}:security-group/*"),
            ],
        ),
        (
            "create_tags", {"Resources": ["vol-0123456789abcdef0"], "Tags": TAGS},
            [("ec2:CreateTags", f"{EC2}:volume/vol-0123456789abcdef0")],
        ),
        ("delete_key_pair", {"KeyName": "k"}, [("ec2:DeleteKeyPair", f"{EC2}:key-pair/k")]),
        ("modify_vpc_block_public_access_options", {"InternetGatewayBlockMode": "off"},
         [("ec2:ModifyVpcBlockPublicAccessOptions", "*")]),
    ],
)  # fmt: skip
def test_ec2(identities, operation, arguments, expected):
    assert pairs(asked(identities, "ec2", operation, **arguments)) == expected


def test_run_instances_asks_for_everything_an_instance_is_made_of(identities):
    found = asked(
        identities, "ec2", "run_instances", ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1,
        InstanceType="t3.small", KeyName="k", SecurityGroupIds=["sg-0123456789abcdef0"],
        SubnetId="subnet-0123456789abcdef0", MetadataOptions={"HttpTokens": "required"},
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}],
        IamInstanceProfile={"Name": "p"}, TagSpecifications=tagged("instance") + tagged("volume"),
    )  # fmt: skip
    assert pairs(found) == [
        ("ec2:RunInstances", f"{EC2}:instance/*"),
        ("ec2:RunInstances", f"{IMAGES}:image/ami-0123456789abcdef0"),
        ("ec2:RunInstances", f"{IMAGES}:snapshot/snap-0123456789abcdef0"),
        ("ec2:RunInstances", f"{EC2}:volume/*"),
        ("ec2:RunInstances", f"{EC2}:key-pair/k"),
        ("ec2:RunInstances", f"{EC2}:subnet/subnet-0123456789abcdef0"),
        ("ec2:RunInstances", f"{EC2}:security-group/sg-0123456789abcdef0"),
        ("ec2:RunInstances", f"{EC2}:network-interface/*"),
        ("ec2:CreateTags", f"{EC2}:instance/*"),
        ("ec2:CreateTags", f"{EC2}:volume/*"),
    ]
    instance, tags = found[0].context, found[-1].context
    assert instance["ec2:metadatahttptokens"] == ("required",)
    assert instance["ec2:instancetype"] == ("t3.small",)
    assert instance["ec2:instanceprofile"] == (f"arn:aws:iam::{ACCOUNT}:instance-profile/p",)
    assert instance["aws:requesttag/owner"] == ("holdfast",)
    assert (tags["ec2:createaction"], tags["aws:tagkeys"]) == (("RunInstances",), ("Owner",))
    assert "aws:requesttag/owner" not in found[1].context


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("list_snapshot_blocks", {"SnapshotId": "snap-1"}, [("ebs:ListSnapshotBlocks", f"{IMAGES}:snapshot/snap-1")]),
        (
            "list_changed_blocks", {"FirstSnapshotId": "snap-1", "SecondSnapshotId": "snap-2"},
            [("ebs:ListChangedBlocks", f"{IMAGES}:snapshot/snap-2"),
             ("ebs:ListChangedBlocks", f"{IMAGES}:snapshot/snap-1")],
        ),
        (
            "get_snapshot_block", {"SnapshotId": "snap-1", "BlockIndex": 7, "BlockToken": "t"},
            [("ebs:GetSnapshotBlock", f"{IMAGES}:snapshot/snap-1")],
        ),
        (
            "complete_snapshot", {"SnapshotId": "snap-1", "ChangedBlocksCount": 1},
            [("ebs:CompleteSnapshot", f"{IMAGES}:snapshot/snap-1")],
        ),
        (
            "start_snapshot", {"VolumeSize": 1, "Tags": TAGS},
            [("ebs:StartSnapshot", f"{IMAGES}:snapshot/*"), ("ec2:CreateTags", f"{IMAGES}:snapshot/*")],
        ),
    ],
)  # fmt: skip
def test_ebs_direct(identities, operation, arguments, expected):
    assert pairs(asked(identities, "ebs", operation, **arguments)) == expected


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("head_bucket", {}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("list_objects_v2", {"Prefix": "a/"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("list_object_versions", {}, [("s3:ListBucketVersions", "arn:aws:s3:::b")]),
        ("list_multipart_uploads", {}, [("s3:ListBucketMultipartUploads", "arn:aws:s3:::b")]),
        ("get_bucket_location", {}, [("s3:GetBucketLocation", "arn:aws:s3:::b")]),
        ("get_object_lock_configuration", {}, [("s3:GetBucketObjectLockConfiguration", "arn:aws:s3:::b")]),
        ("delete_bucket_lifecycle", {}, [("s3:PutLifecycleConfiguration", "arn:aws:s3:::b")]),
        ("get_object", {"Key": "a/ü"}, [("s3:GetObject", "arn:aws:s3:::b/a/ü")]),
        ("head_object", {"Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
        ("get_object", {"Key": "k", "VersionId": "v"}, [("s3:GetObjectVersion", "arn:aws:s3:::b/k")]),
        ("put_object", {"Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        ("create_multipart_upload", {"Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        ("abort_multipart_upload", {"Key": "k", "UploadId": "u"}, [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")]),
        ("list_parts", {"Key": "k", "UploadId": "u"}, [("s3:ListMultipartUploadParts", "arn:aws:s3:::b/k")]),
        ("delete_object", {"Key": "k"}, [("s3:DeleteObject", "arn:aws:s3:::b/k")]),
        ("delete_object", {"Key": "k", "VersionId": "v"}, [("s3:DeleteObjectVersion", "arn:aws:s3:::b/k")]),
        ("get_object_retention", {"Key": "k"}, [("s3:GetObjectRetention", "arn:aws:s3:::b/k")]),
        ("restore_object", {"Key": "k", "RestoreRequest": {"Days": 1}}, [("s3:RestoreObject", "arn:aws:s3:::b/k")]),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "k"}]}}, []),
        (
            "copy_object", {"Key": "k", "CopySource": {"Bucket": "c", "Key": "x"}},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::c/x")],
        ),
        (
            "put_object", {"Key": "k", "Tagging": "a=b", "ObjectLockMode": "GOVERNANCE"},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:PutObjectTagging", "arn:aws:s3:::b/k"),
             ("s3:PutObjectRetention", "arn:aws:s3:::b/k")],
        ),
    ],
)  # fmt: skip
def test_s3(identities, operation, arguments, expected):
    bucket = {} if operation == "list_buckets" else {"Bucket": "b"}
    assert pairs(asked(identities, "s3", operation, **bucket, **arguments)) == expected


def test_keys_of_s3(identities):
    (put,) = asked(identities, "s3", "put_object", Bucket="b", Key="k", Body=b"x", IfNoneMatch="*")
    assert put.context["s3:if-none-match"] == ("*",)
    (listing,) = asked(identities, "s3", "list_objects_v2", Bucket="b", Prefix="a b/", Delimiter="/")
    assert (listing.context["s3:prefix"], listing.context["s3:delimiter"]) == (("a b/",), ("/",))


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected"),
    [
        ("iam", "create_role", {"RoleName": "r", "Path": "/h/", "AssumeRolePolicyDocument": "{}", "Tags": TAGS},
         [("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/h/r"), ("iam:TagRole", f"arn:aws:iam::{ACCOUNT}:role/h/r")]),
        ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/r")]),
        ("iam", "list_roles", {}, [("iam:ListRoles", f"arn:aws:iam::{ACCOUNT}:role/*")]),
        ("iam", "delete_instance_profile", {"InstanceProfileName": "p"},
         [("iam:DeleteInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/p")]),
        ("iam", "create_user", {"UserName": "u"}, [("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/u")]),
        ("sts", "get_caller_identity", {}, []),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::210987654321:role/r", "RoleSessionName": "ss"},
         [("sts:AssumeRole", "arn:aws:iam::210987654321:role/r")]),
        ("sqs", "send_message_batch",
         {"QueueUrl": f"http://127.0.0.1:1/{ACCOUNT}/q", "Entries": [{"Id": "1", "MessageBody": "m"}]},
         [("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")]),
        ("sqs", "create_queue", {"QueueName": "q", "tags": {"a": "b"}},
         [("sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"),
          ("sqs:TagQueue", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")]),
        ("kms", "create_key", {}, [("kms:CreateKey", "*")]),
        ("kms", "describe_key", {"KeyId": "missing"},
         [("kms:DescribeKey", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*")]),
        ("cloudformation", "create_stack",
         {"StackName": "s", "TemplateBody": "{}", "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/cf"},
         [("cloudformation:CreateStack", f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/s/*"),
          ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/cf")]),
        ("ssm", "get_parameters", {"Names": ["/aws/service/x", "a"]},
         [("ssm:GetParameters", "arn:aws:ssm:us-east-1::parameter/aws/service/x"),
          ("ssm:GetParameters", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/a")]),
        ("service-quotas", "get_service_quota", {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"},
         [("servicequotas:GetServiceQuota", "*")]),
        ("efs", "describe_file_systems", {}, [("elasticfilesystem:DescribeFileSystems", "*")]),
        ("rds", "describe_db_instances", {}, [("rds:DescribeDBInstances", "*")]),
        ("cloudwatch", "list_dashboards", {}, [("cloudwatch:ListDashboards", "*")]),
    ],
)  # fmt: skip
def test_other_services(identities, service, operation, arguments, expected):
    assert pairs(asked(identities, service, operation, **arguments)) == expected


def test_body_is_put_back(identities):
    environ = environ_of("ec2", "describe_volumes", {})
    read_call(scope_of(environ), ACCOUNT, environ)
    assert environ["wsgi.input"].read().startswith(b"Action=DescribeVolumes")


def test_managed_policies_of_aws_are_there_when_named():
    enforce(lambda: 0.0, 0.0)
    backend: Any = iam_backends[ACCOUNT]["aws"]
    arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    assert arn not in backend.managed_policies
    assert backend.get_policy(arn).arn == arn
    assert backend.find_managed("arn:aws:iam::aws:policy/NoSuchPolicy") is None
