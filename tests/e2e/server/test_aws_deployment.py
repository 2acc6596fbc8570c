"""Appliances deployed in the lab: everything in the ledger, nothing left when any step fails."""

import base64
import os

import pytest

from holdfast.aws.deployment.appliance_instance import SERVER_CERTIFICATE
from holdfast.domain.errors import (
    CancelledError,
    NotFoundError,
    PermissionDeniedError,
    QuotaReachedError,
    UnavailableError,
    UsageError,
    WorkerLostError,
)
from holdfast.domain.infrastructure import ApplianceState
from holdfast.plugin_api import DeployOrder
from tests.e2e.server.conftest import World

ORDER = DeployOrder("north", allowed_sources=("203.0.113.7/32",), port=8443)
LAUNCHED = ("instances", "security_groups", "volumes", "network_interfaces")


@pytest.fixture(scope="module")
def stack(lab, tmp_path_factory):
    """One stack for all tests: it is none of a deployment's business."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        world = World(tmp_path_factory.mktemp("stack"))
        return dict(world.plugin.install(world.context()).settings)


@pytest.fixture
def installed(world, stack):
    world.settings = stack
    return world


@pytest.fixture
def certificate(installed, client):
    """The appliance shows its certificate as soon as somebody looks for it: here, as the store is asked."""
    shown = installed.identity.certificate.read_text()

    key = f"appliances/{installed.session}/certificate.pem"
    client("s3").put_object(Bucket=installed.settings["bundle_bucket"], Key=key, Body=shown.encode())
    return shown


@pytest.fixture
def launched(census):
    """What is there now that instances are made of, and was not when the test began."""
    before = census()

    def look():
        found = census()
        new = {kind: sorted(set(found.get(kind, ())) - set(before.get(kind, ()))) for kind in LAUNCHED}
        return {kind: names for kind, names in new.items() if names}

    return look


def test_one_is_launched_pinned_and_told(installed, certificate, client, launched):
    appliance = installed.plugin.deploy(ORDER, installed.context(installed.session))
    assert (appliance.name, appliance.state, appliance.certificate) == ("north", ApplianceState.AVAILABLE, certificate)
    ec2 = client("ec2")
    instance = ec2.describe_instances(InstanceIds=[appliance.instance_id])["Reservations"][0]["Instances"][0]
    assert (instance["InstanceType"], instance["State"]["Name"]) == ("t3.medium", "running")
    assert (instance["MetadataOptions"]["HttpTokens"], instance["MetadataOptions"]["HttpPutResponseHopLimit"]) == (
        "required",
        1,
    )
    assert instance["IamInstanceProfile"]["Arn"].endswith(installed.settings["appliance_profile"])
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert (tags["holdfast:server"], tags["holdfast:session"]) == ("5e" * 16, installed.session)
    assert "holdfast:appliance" not in tags
    assert appliance.url == f"https://{instance['PublicIpAddress']}:8443"
    group = ec2.describe_security_groups(GroupIds=[instance["SecurityGroups"][0]["GroupId"]])["SecurityGroups"][0]
    assert [
        (rule["FromPort"], rule["ToPort"], [one["CidrIp"] for one in rule["IpRanges"]])
        for rule in group["IpPermissions"]
    ] == [(8443, 8443, ["203.0.113.7/32"])]
    assert installed.doors.opened == [(appliance.url, certificate)]
    told = {asked[1]: asked[2] for asked in installed.doors.asked}["/settings"]
    assert told["bundle_bucket"] == installed.settings["bundle_bucket"]
    kinds = {row.kind: row.object_id for row in installed.ledger.open_rows()}
    assert kinds == {"instance": appliance.instance_id, "security-group": group["GroupId"]}
    installed.plugin.disconnect(appliance, installed.context("e1" * 16), delete=True)
    assert ("DELETE", "/enrolment", None) in installed.doors.asked
    assert launched() == {}
    assert installed.ledger.open_rows() == []


def test_user_data_holds_the_server_s_certificate_and_no_secret(installed, certificate, client):
    appliance = installed.plugin.deploy(ORDER, installed.context(installed.session))
    answer = client("ec2").describe_instance_attribute(InstanceId=appliance.instance_id, Attribute="userData")
    script = base64.b64decode(answer["UserData"]["Value"]).decode()
    assert installed.identity.certificate.read_text().strip() in script
    assert SERVER_CERTIFICATE in script
    assert "PRIVATE KEY" not in script
    assert f'"--kms-key","{installed.settings["kms_key_arn"]}"' in script, "what it seals outlives its disk"
    assert f"s3://{installed.settings['bundle_bucket']}/appliances/{installed.session}/certificate.pem" in script
    installed.plugin.disconnect(appliance, installed.context("e1" * 16), delete=True)


def calls_of_a_deployment(installed):
    """Every call that a deployment makes, in order, with how often it was made before."""
    installed.calls.clear()
    appliance = installed.plugin.deploy(ORDER, installed.context(installed.session))
    made = list(installed.calls)
    installed.plugin.disconnect(appliance, installed.context("e1" * 16), delete=True)
    return made


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_whichever_call_fails_nothing_is_left(installed, certificate, launched, client, lost):
    made = calls_of_a_deployment(installed)
    assert {"RunInstances", "CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "GetObject"} <= set(made)
    for number, operation in enumerate(made):
        session = os.urandom(16).hex()
        key = f"appliances/{session}/certificate.pem"
        client("s3").put_object(Bucket=installed.settings["bundle_bucket"], Key=key, Body=certificate.encode())
        kind = UnavailableError if lost else PermissionDeniedError
        installed.fail_at(number, kind(f"ec2:{operation} failed", why="x", cure="y"), lost=lost)
        with pytest.raises(kind, match=operation):
            installed.plugin.deploy(ORDER, installed.context(session))
        installed.fail_at(None)
        assert launched() == {}, operation
        assert installed.ledger.open_rows() == [], operation
        versions = client("s3").list_object_versions(Bucket=installed.settings["bundle_bucket"], Prefix="appliances/")
        assert [one["Key"] for one in versions.get("Versions", []) if session in one["Key"]] == [], operation


def test_one_that_was_cut_short_is_cleaned_by_the_ledger(installed, certificate, launched):
    """As after kill -9 between launching and connecting."""
    installed.plugin.deploy(ORDER, installed.context(installed.session))
    assert set(launched()) >= {"instances", "security_groups"}
    installed.plugin.clean(installed.session, installed.context(installed.session))
    assert launched() == {}
    assert installed.ledger.open_rows() == []
    installed.plugin.clean(installed.session, installed.context(installed.session))


def test_a_removal_that_is_cut_short_anywhere_is_asked_for_again(installed, certificate, launched, client):
    def deployed():
        session = os.urandom(16).hex()
        key = f"appliances/{session}/certificate.pem"
        client("s3").put_object(Bucket=installed.settings["bundle_bucket"], Key=key, Body=certificate.encode())
        return installed.plugin.deploy(ORDER, installed.context(session)), key

    def remove(appliance):
        installed.plugin.disconnect(appliance, installed.context(os.urandom(16).hex()), delete=True)

    for operation in ("TerminateInstances", "DescribeInstances", "DeleteSecurityGroup", "DeleteObjects"):
        appliance, key = deployed()
        installed.trouble[operation] = PermissionDeniedError(f"{operation} was refused", why="x", cure="y")
        with pytest.raises(PermissionDeniedError, match=operation):
            remove(appliance)
        installed.trouble.clear()
        remove(appliance)
        assert launched() == {}, operation
        assert installed.ledger.open_rows() == [], operation
        versions = client("s3").list_object_versions(Bucket=installed.settings["bundle_bucket"], Prefix=key)
        assert "Versions" not in versions, operation
        # Killed after all was done and before the server had forgotten the appliance.
        remove(appliance)


def test_one_that_does_not_answer_is_removed(installed, certificate, launched, monkeypatch):
    monkeypatch.setattr("holdfast_aws.deploying.ANSWER_SECONDS", 0.0)
    installed.doors.answers["GET", "/appliance"] = UnavailableError("no answer", why="timed out", cure="z")
    with pytest.raises(UnavailableError) as refused:
        installed.plugin.deploy(ORDER, installed.context(installed.session))
    assert "--allow" in refused.value.cure
    assert launched() == {}


def test_one_that_never_boots_is_removed(installed, launched, monkeypatch):
    monkeypatch.setattr("holdfast_aws.deploying.BOOT_SECONDS", 0.5)
    with pytest.raises(WorkerLostError, match="did not start"):
        installed.plugin.deploy(ORDER, installed.context(installed.session))
    assert launched() == {}


def test_cancelled_while_it_boots(installed, launched):
    said = installed.said.append

    def cancel_at_boot(line):
        said(line)
        if "waiting for the appliance" in line:
            installed.cancel.set()

    context = installed.context(installed.session)
    object.__setattr__(context, "say", cancel_at_boot)
    with pytest.raises(CancelledError):
        installed.plugin.deploy(ORDER, context)
    assert launched() == {}


def test_a_group_of_the_person_is_used_and_kept(installed, certificate, client, launched):
    ec2 = client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="mine", Description="mine", VpcId=vpc)["GroupId"]
    order = DeployOrder("north", security_group_id=group, public_address=False)
    appliance = installed.plugin.deploy(order, installed.context(installed.session))
    instance = ec2.describe_instances(InstanceIds=[appliance.instance_id])["Reservations"][0]["Instances"][0]
    assert appliance.url == f"https://{instance['PrivateIpAddress']}:11005"
    installed.plugin.disconnect(appliance, installed.context("e1" * 16), delete=True)
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    ec2.delete_security_group(GroupId=group)


def test_without_a_public_address_the_vpc_may_reach_it(installed, certificate, client):
    appliance = installed.plugin.deploy(
        DeployOrder("north", public_address=False), installed.context(installed.session)
    )
    ec2 = client("ec2")
    instance = ec2.describe_instances(InstanceIds=[appliance.instance_id])["Reservations"][0]["Instances"][0]
    group = ec2.describe_security_groups(GroupIds=[instance["SecurityGroups"][0]["GroupId"]])["SecurityGroups"][0]
    assert group["IpPermissions"][0]["IpRanges"][0]["CidrIp"] == "172.31.0.0/16"
    installed.plugin.disconnect(appliance, installed.context("e1" * 16), delete=True)


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (DeployOrder("a"), UsageError),
        (DeployOrder("a", region="us-west-2", allowed_sources=("10.0.0.0/8",)), UsageError),
        (DeployOrder("a", allowed_sources=("everybody",)), UsageError),
        (DeployOrder("a", allowed_sources=("10.0.0.0/8",), security_group_id="sg-1"), UsageError),
        (DeployOrder("a", allowed_sources=("10.0.0.0/8",), subnet_id="subnet-00000000000000000"), NotFoundError),
        (DeployOrder("a", allowed_sources=("10.0.0.0/8",), vpc_id="vpc-00000000000000000"), NotFoundError),
    ],
)
def test_orders_that_cannot_be_meant(installed, launched, order, kind):
    with pytest.raises(kind):
        installed.plugin.deploy(order, installed.context(installed.session))
    assert launched() == {}


def test_a_quota_is_named_with_its_action(installed, certificate, launched):
    order = DeployOrder("big", instance_type="u-6tb1.112xlarge", allowed_sources=("10.0.0.0/8",))
    with pytest.raises(QuotaReachedError, match="ec2:RunInstances"):
        installed.plugin.deploy(order, installed.context(installed.session))
    assert launched() == {}
