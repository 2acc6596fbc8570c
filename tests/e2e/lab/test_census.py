"""Everything that exists in a lab, counted from outside: what leak tests compare."""

from tests.e2e.lab.account import Account
from tests.e2e.lab.fleet import Fleet

OWNER = "123456789012"


def test_census_counts_what_was_made_and_nothing_that_is_always_there(new_account):
    account = new_account()
    fleet = Fleet(account)
    fleet.image()
    before = account.lab("census")
    assert not any(before.get(OWNER, {}).values())
    instance_id = fleet.launched(IamInstanceProfile=fleet.role("worker"))
    (root,) = fleet.volumes(instance_id).values()
    snapshot_id = account.snapshot(root)
    mappings = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot_id}}]
    image_id = account.ec2.register_image(Name="one", BlockDeviceMappings=mappings)["ImageId"]
    account.s3.create_bucket(Bucket="counted")
    account.s3.put_object(Bucket="counted", Key="a", Body=b"")
    queue = account.client("sqs").create_queue(QueueName="work")["QueueUrl"]
    kms = account.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    grant_id = kms.create_grant(
        KeyId=key_id, GranteePrincipal=f"arn:aws:iam::{OWNER}:role/worker", Operations=["Decrypt"]
    )
    found = account.lab("census")[OWNER]
    (interface,) = found.pop("network_interfaces")
    assert interface.startswith("eni-")
    assert {kind: names for kind, names in found.items() if names} == {
        "instances": [instance_id],
        "volumes": [root],
        "snapshots": [snapshot_id],
        "images": [image_id],
        "roles": ["worker"],
        "instance_profiles": ["worker"],
        "queues": [f"arn:aws:sqs:us-east-1:{OWNER}:work"],
        "grants": [grant_id["GrantId"]],
        "buckets": {"counted": 1},
    }
    fleet.terminated(instance_id)
    account.client("sqs").delete_queue(QueueUrl=queue)
    account.ec2.deregister_image(ImageId=image_id)
    account.ec2.delete_snapshot(SnapshotId=snapshot_id)
    found = account.lab("census")[OWNER]
    assert {kind for kind, names in found.items() if names} == {"roles", "instance_profiles", "grants", "buckets"}


def test_census_is_by_account_and_over_all_regions(new_account):
    account = new_account()
    other = Account(account.endpoint, region="eu-west-1", access_key="210987654321")
    volumes = [other.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]]
    volumes.append(Account(account.endpoint, "us-east-1", "210987654321").new_volume())
    assert account.lab("census")["210987654321"]["volumes"] == sorted(volumes)
