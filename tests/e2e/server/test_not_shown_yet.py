"""A lab that does not know at once what it has made: deployments come and go there, and so do workers' roles."""

from dataclasses import replace

import pytest

from holdfast.aws.clients import PatientClient
from holdfast.aws.worker_roles import WorkerRoles
from holdfast.domain.errors import CancelledError
from holdfast.plugin_api import DeployOrder
from holdfast.repository.stores.s3.session import AwsSession
from tests.e2e.server.conftest import REGION
from tests.labs import start_lab

ORDER = DeployOrder("north", allowed_sources=("203.0.113.7/32",))
APPLIANCE = "a9" * 16


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=100ms,iam=0ms,boot=never,hidden=3s") as running:
        yield running


@pytest.fixture
def installed(world):
    world.settings = dict(world.plugin.install(world.context()).settings)
    return world


def cancelled_when(world, words):
    """A context whose session somebody cancels as soon as that is said."""

    def say(line):
        world.said.append(line)
        if words in line:
            world.cancel.set()

    return replace(world.context(world.session), say=say)


def test_an_appliance_is_deployed_and_removed(installed, client, census):
    before = census()
    key = f"appliances/{installed.session}/certificate.pem"
    shown = installed.identity.certificate.read_bytes()
    client("s3").put_object(Bucket=installed.settings["bundle_bucket"], Key=key, Body=shown)
    appliance = installed.plugin.deploy(ORDER, installed.context(installed.session))
    installed.plugin.disconnect(appliance, installed.context("e1" * 16), delete=True)
    assert census() == before
    assert installed.ledger.open_rows(session_id=installed.session) == []
    # In a group of a person's nothing else keeps what was launched from being forgotten.
    group = client("ec2").describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    order = DeployOrder("north", security_group_id=group, public_address=False)
    # To whom is held up for three seconds between the launch and the removal the instance is shown: once more then.
    for session in ("c2", "c3", "c4", "c5"):
        installed.session = session * 16
        installed.cancel.clear()
        with pytest.raises(CancelledError):
            installed.plugin.deploy(order, cancelled_when(installed, "is launched"))
        assert census() == before
        assert installed.ledger.open_rows(session_id=installed.session) == []
        if any("may only not show it yet" in line for line in installed.said):
            return
    raise AssertionError(installed.said)


def test_a_role_of_a_worker_is_made_and_removed(endpoint, client, census):
    before = census()
    policies = client("iam")
    boundary = policies.create_policy(
        PolicyName="boundary",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}',
    )["Policy"]["Arn"]
    roles = WorkerRoles(PatientClient(AwsSession(REGION), "iam"), APPLIANCE)
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
    roles.create("one", policy, boundary, {})
    assert [kind for kind, *_ in roles.standing()] == ["role", "instance-profile"]
    roles.remove("one")
    assert census() == before
