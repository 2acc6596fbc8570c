"""What EC2 and IAM have just made they may not know yet, as a client meets it.

EC2 developer guide, "Eventual consistency in the Amazon EC2 API"; IAM user guide, "Changes that I make are not always
immediately visible".
"""

import json

import pytest

from tests.e2e.lab.account import HOUR_SECONDS, ZONE, Account
from tests.e2e.lab.fleet import TRUST, Fleet
from tests.e2e.lab.people import allow, document, refused
from tests.labs import start_lab


@pytest.fixture(scope="module")
def account():
    with start_lab(faults=f"quota=off,pending=50ms,iam=0ms,boot=never,hidden={HOUR_SECONDS}s") as lab:
        yield Account(lab.endpoint)


def not_found(kind):
    return f"Invalid{kind}.NotFound", 400


def described(account, operation, entries):
    """Whether there are any by a filter that fits what the test has made."""
    tagged = [{"Name": "tag:of", "Values": ["the test"]}]
    return bool(getattr(account.ec2, operation)(Filters=tagged)[entries])


def tagged(kind):
    return [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": "the test"}]}]


def test_what_ec2_has_just_made_is_not_there_for_whoever_names_it(account):
    ec2 = account.ec2
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=1, TagSpecifications=tagged("volume"))["VolumeId"]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(
        GroupName="new", Description="new", VpcId=vpc, TagSpecifications=tagged("security-group")
    )["GroupId"]
    launch = {"ImageId": Fleet(account).image(), "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small"}
    rules = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}]
    assert refused(ec2.create_snapshot, VolumeId=volume) == not_found("Volume")
    assert refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=rules) == not_found("Group")
    assert refused(ec2.run_instances, **launch, SecurityGroupIds=[group]) == not_found("Group")
    interface = [{"DeviceIndex": 0, "Groups": [group]}]
    assert refused(ec2.run_instances, **launch, NetworkInterfaces=interface) == not_found("Group")
    launch |= {"ClientToken": "once", "TagSpecifications": tagged("instance")}
    instance = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
    assert refused(ec2.describe_instances, InstanceIds=[instance]) == not_found("InstanceID")
    assert refused(ec2.terminate_instances, InstanceIds=[instance]) == not_found("InstanceID")
    looks = {
        "describe_instances": "Reservations",
        "describe_volumes": "Volumes",
        "describe_security_groups": "SecurityGroups",
    }
    assert not [look for look in looks.items() if described(account, *look)]
    account.advance(HOUR_SECONDS - 60)
    assert ec2.run_instances(**launch)["Instances"][0]["InstanceId"] == instance
    account.advance(120)
    assert all(described(account, *look) for look in looks.items()), "what is asked for again is not new"
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=tagged("snapshot"))["SnapshotId"]
    assert refused(ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot) == not_found("Snapshot")
    assert refused(ec2.create_tags, Resources=[snapshot], Tags=[]) == not_found("Snapshot")
    assert not described(account, "describe_snapshots", "Snapshots")
    account.advance(HOUR_SECONDS)
    assert described(account, "describe_snapshots", "Snapshots")
    ec2.terminate_instances(InstanceIds=[instance])


def test_it_is_there_all_the_same(account):
    volume = account.ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    assert volume in account.lab("census")["123456789012"]["volumes"]


def test_iam_does_not_know_its_own_new_roles_and_profiles(account):
    iam = account.client("iam")
    role, profile = {"RoleName": "new"}, {"InstanceProfileName": "new"}
    policy = {"PolicyName": "p", "PolicyDocument": document(allow("s3:ListBucket"))}
    unknown = ("NoSuchEntity", 404)
    iam.create_role(**role, AssumeRolePolicyDocument=json.dumps(TRUST))
    assert refused(iam.put_role_policy, **role, **policy) == unknown
    assert refused(iam.get_role, **role) == unknown
    again = refused(iam.create_role, **role, AssumeRolePolicyDocument=json.dumps(TRUST))
    assert again == ("EntityAlreadyExists", 409), "it is there"
    account.advance(HOUR_SECONDS)
    iam.put_role_policy(**role, **policy)
    iam.create_instance_profile(**profile)
    assert refused(iam.add_role_to_instance_profile, **role, **profile) == unknown
    account.advance(HOUR_SECONDS)
    iam.add_role_to_instance_profile(**role, **profile)
    other = Account(account.endpoint, access_key="210987654321").client("iam")
    other.create_instance_profile(**profile)
    assert iam.get_instance_profile(**profile), "another account's is another one"
