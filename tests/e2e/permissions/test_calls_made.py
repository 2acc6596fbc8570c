"""Nothing is granted that nobody uses, nothing is used that is not granted: each way is gone, and IAM has watched.

What was asked for stands in docs/permissions.md. `RECORD_CALLS=1` writes it anew, into docs/calls-made.json.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.aws.policies.appliance import ApplianceScope, RepositoryPlace, appliance_grants
from holdfast.aws.policies.grants import actions_of
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.aws.policies.server import ServerScope, deployment_grants, plugin_grants
from holdfast.aws.policies.worker import (
    CopiedFrom,
    SnapshotsToRead,
    WorkerScope,
    worker_backup_grants,
    worker_copy_grants,
    worker_restore_grants,
    worker_verify_grants,
)
from holdfast.domain.errors import WorkerLostError
from holdfast.plugin_api import DeployOrder
from tests.e2e.lab.account import until
from tests.e2e.permissions.account_in_lab import REGION, AccountInLab, acting
from tests.e2e.permissions.calls import (
    APPLIANCE,
    BACKUP_WORKER,
    COPY_WORKER,
    OTHER,
    RESTORE_WORKER,
    SERVER,
    VERIFY_WORKER,
    Calls,
)
from tests.e2e.permissions.flows import Scene
from tests.e2e.permissions.ways import FIRST, WAYS
from tests.e2e.server.conftest import FakeDoors

RECORD = Path(__file__).resolve().parents[3] / "docs" / "calls-made.json"
_KEYS = "volumes under a key of the customer's: the lab's EC2 asks KMS for none, its EBS direct APIs do"
_LATER = "what CloudFormation needs to change a resource whose template changes with a later version"
_ELSEWHERE = "restores of instances, which are made with the same grants in the appliance's own account here"
_KEY_ACTIONS = "kms:CreateGrant kms:DescribeKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo"
_RESTORING = (
    "ec2:AssignPrivateIpAddresses ec2:AssociateAddress ec2:AssociateIamInstanceProfile ec2:AttachVolume "
    "ec2:DeleteNetworkInterface ec2:DeleteTags ec2:DeleteVolume ec2:DeregisterImage ec2:DescribeAddresses "
    "ec2:DescribeIamInstanceProfileAssociations ec2:DescribeInstanceStatus ec2:DescribeKeyPairs ec2:DescribeSubnets "
    "ec2:DetachVolume ec2:DisassociateIamInstanceProfile ec2:ModifyInstanceAttribute ec2:ModifyInstanceMetadataOptions "
    "ec2:ModifyNetworkInterfaceAttribute ec2:MonitorInstances ec2:RegisterImage "
    "ec2:ReplaceIamInstanceProfileAssociation ec2:RunInstances ec2:StartInstances ec2:StopInstances "
    "ec2:TerminateInstances ec2:UnassignPrivateIpAddresses ec2:UnmonitorInstances iam:PassRole"
)
# Granted, and not asked for in the lab: who, which actions, why not.
NOT_ASKED = (
    (APPLIANCE, _KEY_ACTIONS, _KEYS),
    (OTHER, _RESTORING, _ELSEWHERE),
    (RESTORE_WORKER, "ec2:DeleteSnapshot", "a worker that fails midway removes the snapshot it was writing"),
    (SERVER, "cloudformation:DescribeStackEvents", "why a stack could not be made: this one could"),
    (SERVER, "iam:CreatePolicyVersion kms:UntagResource sqs:SetQueueAttributes sqs:UntagQueue", _LATER),
)
# Asked for, and denied as it must be: IAM knows no path of what is gone, and a policy that speaks of a path denies it.
GONE = {"iam:DeleteInstanceProfile", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:RemoveRoleFromInstanceProfile"}
WORKERS_DENIED = {(BACKUP_WORKER, "sqs:ReceiveMessage")}


def granted() -> dict[str, set[str]]:
    keys = ("arn:aws:kms:us-east-1:1:key/k",)
    places = (RepositoryPlace("b", archive=True),)
    scope = ApplianceScope("aws", "1", "k", "q", "b", places, ("i",), ("r",), ("k",), keys, retrieval_role_arn="r")
    worker = WorkerScope("aws", REGION, "b", "p", "s", "q", "e", "k", "b", "k", keys)
    server = ServerScope("aws", "1", REGION)
    return {
        APPLIANCE: set(actions_of(appliance_grants(scope))),
        OTHER: set(actions_of(production_account_grants("aws", "1", ("i",)))),
        BACKUP_WORKER: set(actions_of(worker_backup_grants(worker, SnapshotsToRead(ids=("s",)), ("k",)))),
        COPY_WORKER: set(actions_of(worker_copy_grants(worker, CopiedFrom("aws", "b", "q", "r")))),
        VERIFY_WORKER: set(actions_of(worker_verify_grants(worker))),
        RESTORE_WORKER: set(actions_of(worker_restore_grants(worker, {"holdfast:session": "s"}, ("k",)))),
        SERVER: set(actions_of([*plugin_grants(server), *deployment_grants(server)])),
    }


@pytest.mark.timeout(1800)
def test_what_is_granted_is_what_is_asked_for(account, monkeypatch):
    calls = Calls(account)
    with calls.made_by("install the plug-in"):
        account.install()
    scene = Scene(account)
    try:
        with calls.made_by(FIRST):
            scene.prepare()
        for name, way in WAYS.items():
            with calls.made_by(name):
                outcome = way(scene)
            assert outcome.fine or "cannot start" in name, (name, outcome)
    finally:
        scene.close()
    _server_s_ways(calls, account, monkeypatch)

    rights = granted()
    not_asked = {(who, action) for who, actions, _ in NOT_ASKED for action in actions.split()}
    for who, actions in rights.items():
        asked = calls.actions(who)
        assert asked <= actions, f"{who} is let do what its policy does not say"
        left = actions - asked - {action for one, action in not_asked if one == who}
        assert not left, f"{who} is granted what nobody uses: {sorted(left)}"
        assert not asked & {action for one, action in not_asked if one == who}, f"{who}: these are asked for after all"
    denials = {(who, action) for who, action, _ in calls.denied} - WORKERS_DENIED
    assert denials <= {(APPLIANCE, action) for action in GONE}, denials

    recorded = {
        "asked": sorted([*call, way] for call, way in calls.first.items()),
        "not_asked": [list(row) for row in NOT_ASKED],
    }
    if os.environ.get("RECORD_CALLS"):
        RECORD.write_text(json.dumps(recorded, indent=1) + "\n")
    kept = json.loads(RECORD.read_text())
    assert recorded["asked"] == kept["asked"], "RECORD_CALLS=1, then tools/permissions_page.py"
    assert recorded["not_asked"] == kept["not_asked"]


def _boots(asked: Mapping[str, str]) -> bool:
    """An appliance has fetched its bundle."""
    return "ApplianceRole" in asked["principal"] and asked["resource"].startswith("arn:aws:s3:::holdfast-5e5e")


def _server_s_ways(calls: Calls, account: AccountInLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deployments by the server's user; what answers in the appliance's place is made up, AWS is not."""
    doors = FakeDoors()
    plugin = account.plugin(doors.doors)
    order = DeployOrder("north", allowed_sources=("203.0.113.7/32",), port=8443)
    session = "d1" * 16
    shown = account.identity.certificate.read_bytes()
    account.hand.s3.put_object(
        Bucket=account.settings["bundle_bucket"], Key=f"appliances/{session}/certificate.pem", Body=shown
    )
    with acting(account.server_keys):
        with calls.made_by("look at what is installed"):
            assert all(thing.healthy for thing in plugin.things(account.context()))
        with calls.made_by("deploy an appliance"):
            appliance = plugin.deploy(order, account.context(session))
            until(lambda: any(_boots(one) for one in account.asked()))
        with calls.made_by("remove an appliance"):
            plugin.disconnect(appliance, account.context("e1" * 16), delete=True)
        monkeypatch.setattr("holdfast_aws.deploying.BOOT_SECONDS", 0.0)
        # Who waits for a stack longer asks how far it is, which is no way's own.
        monkeypatch.setattr("holdfast.aws.deployment.stack.TELL_SECONDS", math.inf)
        with calls.made_by("deploy an appliance that does not boot"), pytest.raises(WorkerLostError):
            plugin.deploy(order, account.context("d2" * 16))
        with calls.made_by("bring the plug-in up to date"):
            plugin.install(account.context("b1" * 16, repositories="another-bucket"))
        with calls.made_by("remove the plug-in"):
            plugin.uninstall(account.context())
