"""Each instance has its own metadata service, of version 2, and real credentials of its role."""

import json
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.credentials import InstanceMetadataFetcher, InstanceMetadataProvider

from tests.e2e.lab.account import Account, until
from tests.e2e.lab.fleet import ASKING, Fleet
from tests.labs import start_lab

SHOWN = ("instance-id", "placement/availability-zone", "placement/region", "local-ipv4", "local-hostname", "mac")


@pytest.fixture(scope="module")
def fleet():
    with start_lab(faults="quota=off,pending=100ms") as lab:
        yield Fleet(Account(lab.endpoint))


def endpoint_of(fleet, instance_id):
    """The address of an instance's metadata service, from the environment of one of its processes."""
    until(lambda: fleet.pids(instance_id) != [])
    name, environment = "AWS_EC2_METADATA_SERVICE_ENDPOINT=", Path(f"/proc/{fleet.pids(instance_id)[0]}/environ")
    # Empty for a moment while the process becomes another program.
    until(lambda: name in environment.read_text())
    return next(word.removeprefix(name) for word in environment.read_text().split("\0") if word.startswith(name))


def test_only_who_has_a_token_is_answered(fleet):
    script = ASKING + (
        "say(none=ask('/latest/meta-data/instance-id'), wrong=ask('/latest/meta-data/instance-id', token='x'),\n"
        "    unlimited=ask('/latest/api/token', 'PUT'), long=token('21601'), zero=token('0'), right=token()[:0],\n"
        "    nothing=get('meta-data/nothing'))\n"
    )
    assert fleet.says(fleet.launch(script)) == {
        "none": 401, "wrong": 401, "unlimited": 400, "long": 400, "zero": 400, "right": "", "nothing": 404,
    }  # fmt: skip


def test_tokens_expire_and_are_of_one_instance(new_account):
    fleet = Fleet(new_account())
    keeping = (
        "import time\nkept, path = token('60'), '/latest/meta-data/instance-id'\nsay(first=ask(path, token=kept))\n"
        "while ask(path, token=kept) != 401: time.sleep(0.05)\nprint('expired', flush=True)\n"
    )
    instance_id = fleet.launch(ASKING + keeping)
    assert fleet.says(instance_id) == {"first": instance_id}
    fleet.account.advance(61)
    fleet.prints(instance_id, "expired")


def test_an_instance_learns_what_ec2_says_of_it(fleet):
    script = ASKING + f"say(**{{name: get('meta-data/' + name) for name in {SHOWN}}}, data=get('user-data')[:3],\n"
    script += (
        "    document=get('dynamic/instance-identity/document'), top=get(''), type=get('meta-data/instance-type'))\n"
    )
    instance_id = fleet.launch(script)
    said, known = fleet.says(instance_id), fleet.instance(instance_id)
    (interface,) = known["NetworkInterfaces"]
    assert {name: said[name] for name in SHOWN} == {
        "instance-id": instance_id,
        "placement/availability-zone": known["Placement"]["AvailabilityZone"],
        "placement/region": "us-east-1",
        "local-ipv4": known["PrivateIpAddress"],
        "local-hostname": known["PrivateDnsName"],
        "mac": interface["MacAddress"],
    }
    assert (said["data"], said["top"], said["type"]) == ("#!/", "dynamic/\nmeta-data/\nuser-data", "t3.small")
    document = json.loads(said["document"])
    assert (document["accountId"], document["imageId"]) == ("123456789012", known["ImageId"])


def test_tags_are_shown_where_that_is_enabled(fleet):
    script = ASKING + "say(names=get('meta-data/tags/instance/'), tag=get('meta-data/tags/instance/Name'))\n"
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "one"}]}]
    shown = fleet.launch(script, TagSpecifications=tags, MetadataOptions={"InstanceMetadataTags": "enabled"})
    assert fleet.says(shown) == {"names": "Name", "tag": "one"}
    assert fleet.says(fleet.launch(script, TagSpecifications=tags)) == {"names": 404, "tag": 404}


def test_endpoint_can_be_switched_off(fleet):
    instance_id = fleet.launch(ASKING + "say(token=token())\n", MetadataOptions={"HttpEndpoint": "disabled"})
    assert fleet.says(instance_id) == {"token": 403}


def test_without_a_profile_there_are_no_credentials(fleet):
    script = ASKING + "say(info=get('meta-data/iam/info'), roles=get('meta-data/iam/security-credentials/'))\n"
    assert fleet.says(fleet.launch(script)) == {"info": 404, "roles": 404}


READING_ROLE = ASKING + (
    "role = get('meta-data/iam/security-credentials/')\n"
    "say(role=role, info=json.loads(get('meta-data/iam/info')),\n"
    "    keys=json.loads(get('meta-data/iam/security-credentials/' + role)))\n"
)


def test_credentials_are_a_session_of_the_role_named_by_the_instance(new_account):
    fleet = Fleet(new_account())
    instance_id = fleet.launch(READING_ROLE, IamInstanceProfile=fleet.role("worker"))
    said = fleet.says(instance_id)
    keys = said["keys"]
    assert (said["role"], keys["Code"], keys["AccessKeyId"][:4]) == ("worker", "Success", "ASIA")
    assert said["info"]["InstanceProfileArn"].endswith(":instance-profile/worker")
    role_id = fleet.account.client("iam").get_role(RoleName="worker")["Role"]["RoleId"]
    identity = _client(fleet, keys, "sts").get_caller_identity()
    assert identity["UserId"] == f"{role_id}:{instance_id}"
    assert identity["Arn"] == f"arn:aws:sts::123456789012:assumed-role/worker/{instance_id}"
    assert fleet.instance(instance_id)["IamInstanceProfile"]["Arn"] == said["info"]["InstanceProfileArn"]


def _client(fleet, keys, service):
    return boto3.client(
        service,
        endpoint_url=fleet.account.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["Token"],
    )


def test_role_may_what_its_policies_allow(new_account):
    fleet = Fleet(new_account())
    instance_id = fleet.launch(READING_ROLE, IamInstanceProfile=fleet.role("worker"))
    s3 = _client(fleet, fleet.says(instance_id)["keys"], "s3")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.list_buckets()
    own = {"StringLike": {"aws:userid": f"*:{instance_id}"}}
    allowed = [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*", "Condition": own}]
    fleet.account.client("iam").put_role_policy(
        RoleName="worker", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed})
    )
    fleet.account.advance(60)
    assert s3.list_buckets()["Buckets"] == []


def test_credentials_are_renewed_before_they_expire(new_account):
    fleet = Fleet(new_account())
    # A token of six hours: one of five minutes would end under a question that the clock overtakes.
    again = (
        "import time\npath = '/latest/meta-data/iam/security-credentials/worker'\n"
        "def now(): return json.loads(ask(path, token=token('21600')))\n"
        "first = now()\nprint('same' if now() == first else 'changed at once', flush=True)\n"
        "while (then := now())['AccessKeyId'] == first['AccessKeyId']: time.sleep(0.05)\n"
        "say(first=first['Expiration'], then=then['Expiration'])\n"
    )
    instance_id = fleet.launch(ASKING + again, IamInstanceProfile=fleet.role("worker"))
    fleet.prints(instance_id, "same\n")
    fleet.account.advance(6 * 3600 - 300)
    said = fleet.says(instance_id)
    first, then = (datetime.fromisoformat(said[name]).astimezone(UTC) for name in ("first", "then"))
    assert 5 * 3600 < (then - first).total_seconds() <= 6 * 3600


def test_botocore_finds_the_credentials_unmodified(new_account):
    fleet = Fleet(new_account())
    instance_id = fleet.launch("#!/bin/sh\nexec sleep 1000\n", IamInstanceProfile=fleet.role("worker"))
    fetcher = InstanceMetadataFetcher(timeout=60, base_url=endpoint_of(fleet, instance_id) + "/", env={})
    credentials = InstanceMetadataProvider(fetcher).load()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    keys = {"AccessKeyId": frozen.access_key, "SecretAccessKey": frozen.secret_key, "Token": frozen.token}
    assert _client(fleet, keys, "sts").get_caller_identity()["Arn"].endswith(f"/worker/{instance_id}")


def test_profile_that_is_not_there_is_refused(fleet):
    with pytest.raises(fleet.account.ec2.exceptions.ClientError, match="Invalid IAM Instance Profile name"):
        fleet.launch(IamInstanceProfile={"Name": "nobody"})


def test_every_instance_of_a_launch_has_the_profile(new_account):
    fleet = Fleet(new_account())
    asked = {"ImageId": fleet.image(), "InstanceType": "t3.small", "MinCount": 2, "MaxCount": 2}
    launched = fleet.account.ec2.run_instances(**asked, IamInstanceProfile=fleet.role("worker"))["Instances"]
    assert [i["IamInstanceProfile"]["Arn"].rpartition("/")[2] for i in launched] == ["worker", "worker"]
