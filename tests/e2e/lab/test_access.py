"""IAM is enforced: keys, signatures, users, roles, sessions, two accounts, and the delay of changes."""

from dataclasses import replace

import pytest

from tests.e2e.lab.account import Account, until
from tests.e2e.lab.people import HERE, THERE, Person, allow, deny, document, refused, trusting, words
from tests.labs import start_lab


@pytest.fixture(scope="module")
def root():
    with start_lab(faults="iam=0ms,quota=off,pending=100ms") as lab:
        yield Person(lab.endpoint, HERE)


@pytest.fixture
def slow_root():
    """A lab in which a change of IAM takes a moment."""
    with start_lab(faults="iam=60s,quota=off,pending=100ms") as lab:
        yield Person(lab.endpoint, HERE)


def account_of(person):
    return Account(person.endpoint)


# --------------------------------------------------------------------------------------------------------------- keys


def test_unknown_key_is_root_and_a_number_is_root_of_that_account(root):
    for key, account in (("anything", HERE), (THERE, THERE)):
        identity = Person(root.endpoint, key).client("sts").get_caller_identity()
        assert (identity["Account"], identity["Arn"]) == (account, f"arn:aws:iam::{account}:root")


def test_two_accounts_have_their_own_things(root):
    other = Person(root.endpoint, THERE)
    volume_id = other.client("ec2").create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    seen = {one["VolumeId"] for one in root.client("ec2").describe_volumes()["Volumes"]}
    assert volume_id not in seen
    assert other.client("ec2").describe_volumes()["Volumes"][0]["VolumeId"] == volume_id
    snapshot_id = other.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
    assert refused(root.client("ebs").complete_snapshot, SnapshotId=snapshot_id, ChangedBlocksCount=0) == (
        "AccessDeniedException", 403,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected", "words_of"),
    [
        ("ec2", "describe_volumes", {}, ("UnauthorizedOperation", 403), "ec2:DescribeVolumes on resource: *"),
        ("s3", "list_buckets", {}, ("AccessDenied", 403), 's3:ListAllMyBuckets on resource: "*"'),
        ("ebs", "start_snapshot", {"VolumeSize": 1}, ("AccessDeniedException", 403),
         "ebs:StartSnapshot on resource: arn:aws:ec2:us-east-1::snapshot/*"),
        ("iam", "list_users", {}, ("AccessDenied", 403), "iam:ListUsers"),
        ("sqs", "list_queues", {}, ("AccessDeniedException", 400), f"arn:aws:sqs:us-east-1:{HERE}:*"),
        ("kms", "create_key", {}, ("AccessDeniedException", 400), "kms:CreateKey"),
        ("cloudformation", "list_stacks", {}, ("AccessDenied", 403), "cloudformation:ListStacks"),
        ("ssm", "get_parameter", {"Name": "a"}, ("AccessDeniedException", 400), "parameter/a"),
        ("service-quotas", "list_service_quotas", {"ServiceCode": "ebs"}, ("AccessDeniedException", 400),
         "servicequotas:ListServiceQuotas"),
        ("rds", "describe_db_instances", {}, ("AccessDenied", 403), "rds:DescribeDBInstances"),
        ("efs", "describe_file_systems", {}, ("AccessDeniedException", 403), "elasticfilesystem:DescribeFileSystems"),
    ],
)  # fmt: skip
def test_user_without_a_policy_may_nothing(root, nobody, service, operation, arguments, expected, words_of):
    call = getattr(nobody.client(service), operation)
    assert refused(call, **arguments) == expected
    message = words(call, **arguments)
    assert f"User: arn:aws:iam::{HERE}:user/nobody is not authorized to perform: " in message
    assert words_of in message


@pytest.fixture(scope="module")
def nobody(root):
    return root.user("nobody")


def test_everybody_may_ask_who_they_are(nobody):
    assert nobody.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{HERE}:user/nobody"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("ec2", "describe_volumes", ("AuthFailure", 401)),
        ("s3", "list_buckets", ("SignatureDoesNotMatch", 403)),
        ("iam", "list_users", ("SignatureDoesNotMatch", 403)),
        ("kms", "list_keys", ("InvalidSignatureException", 400)),
    ],
)
def test_wrong_secret(nobody, service, operation, expected):
    forged = Person(nobody.endpoint, nobody.access_key, "another secret")
    assert refused(getattr(forged.client(service), operation)) == expected


def test_deleted_and_disabled_keys_are_nobodys(root):
    user = root.user("leaver", allow("s3:*"))
    s3, iam = user.client("s3"), root.client("iam")
    s3.list_buckets()
    iam.update_access_key(UserName="leaver", AccessKeyId=user.access_key, Status="Inactive")
    assert refused(s3.list_buckets) == ("InvalidAccessKeyId", 403)
    iam.update_access_key(UserName="leaver", AccessKeyId=user.access_key, Status="Active")
    s3.list_buckets()
    iam.delete_access_key(UserName="leaver", AccessKeyId=user.access_key)
    assert refused(s3.list_buckets) == ("InvalidAccessKeyId", 403)
    assert refused(user.client("sts").get_caller_identity) == ("InvalidClientTokenId", 403)
    assert refused(Person(root.endpoint, "ASIA" + "A" * 16).client("iam").list_users)[0] == "InvalidClientTokenId"


# ------------------------------------------------------------------------------------------------------------ policies


def test_groups_managed_policies_and_denials(root):
    iam = root.client("iam")
    user = root.user("member")
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=document(allow("ec2:Describe*")))
    assert refused(user.client("ec2").describe_volumes)[0] == "UnauthorizedOperation"
    iam.add_user_to_group(GroupName="readers", UserName="member")
    user.client("ec2").describe_volumes()
    iam.attach_user_policy(UserName="member", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    user.client("s3").list_buckets()
    assert refused(user.client("s3").create_bucket, Bucket="members") == ("AccessDenied", 403)
    own = iam.create_policy(PolicyName="no", PolicyDocument=document(deny("ec2:*")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="member", PolicyArn=own)
    assert "with an explicit deny in an identity-based policy" in words(user.client("ec2").describe_volumes)


def test_tags_on_creation_and_on_resources(root):
    user = root.user(
        "tagger",
        allow("ec2:Describe*"),
        allow("ec2:CreateVolume", Condition={"StringEquals": {"aws:RequestTag/Owner": "holdfast"}}),
        allow("ec2:CreateTags", Condition={"StringEquals": {"ec2:CreateAction": "CreateVolume"}}),
        allow("ec2:DeleteVolume", Condition={"StringEquals": {"aws:ResourceTag/Owner": "holdfast"}}),
    )
    ec2 = user.client("ec2")
    wanted = {"AvailabilityZone": "us-east-1a", "Size": 1}
    assert refused(ec2.create_volume, **wanted)[0] == "UnauthorizedOperation"
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Owner", "Value": "holdfast"}]}]
    mine = ec2.create_volume(**wanted, TagSpecifications=tags)["VolumeId"]
    theirs = root.client("ec2").create_volume(**wanted)["VolumeId"]
    assert refused(ec2.create_tags, Resources=[theirs], Tags=tags[0]["Tags"])[0] == "UnauthorizedOperation"
    assert refused(ec2.delete_volume, VolumeId=theirs)[0] == "UnauthorizedOperation"
    until(lambda: ec2.describe_volumes(VolumeIds=[mine])["Volumes"][0]["State"] == "available")
    ec2.delete_volume(VolumeId=mine)


def test_a_copy_asks_for_its_source_where_that_lies_and_for_what_is_made(root):
    account = account_of(root)
    source = account.snapshot(account.new_volume())
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": source}
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "Owner", "Value": "holdfast"}]}]
    born = {"StringEquals": {"aws:RequestTag/Owner": "holdfast"}}
    made, from_there = "arn:aws:ec2:eu-west-1::snapshot/*", f"arn:aws:ec2:us-east-1::snapshot/{source}"

    def copy(name, *statements):
        person = root.user(name, *statements, allow("ec2:CreateTags"))
        return replace(person, region="eu-west-1").client("ec2").copy_snapshot

    only_source = copy("source", allow("ec2:CopySnapshot", from_there))
    assert f"on resource: {made}" in words(only_source, **asked, TagSpecifications=tags)
    only_made = copy("made", allow("ec2:CopySnapshot", made, Condition=born))
    assert f"on resource: {from_there}" in words(only_made, **asked, TagSpecifications=tags)
    both = copy("both", allow("ec2:CopySnapshot", from_there), allow("ec2:CopySnapshot", made, Condition=born))
    assert refused(both, **asked)[0] == "UnauthorizedOperation", "it bears no tag"
    assert both(**asked, TagSpecifications=tags)["SnapshotId"]


def test_what_is_meant_is_asked_for_as_what_is_named(root):
    """An association stands for its instance, an instance for its volumes, a group's name for the group."""
    ec2 = root.client("ec2")
    trust = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    root.role("meant", trust)
    root.client("iam").create_instance_profile(InstanceProfileName="meant")
    root.client("iam").add_role_to_instance_profile(InstanceProfileName="meant", RoleName="meant")
    image = ec2.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    (instance,) = ec2.run_instances(
        ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "meant"}
    )["Instances"]
    instance_id = instance["InstanceId"]
    user = root.user("unnamed", allow("ec2:*", "*"), deny("ec2:*", f"arn:aws:ec2:*:*:instance/{instance_id}"))
    (association,) = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    refusal = words(user.client("ec2").disassociate_iam_instance_profile, AssociationId=association["AssociationId"])
    assert f"instance/{instance_id} with an explicit deny" in refusal
    snapshots = root.user("snapshots", allow("ec2:CreateSnapshots", [f"arn:aws:ec2:*:*:{kind}/*" for kind in
                                                                     ("instance", "snapshot")]))  # fmt: skip
    specification = {"InstanceSpecification": {"InstanceId": instance_id}}
    until(lambda: ec2.describe_volumes()["Volumes"] != [])
    assert f"on resource: arn:aws:ec2:us-east-1:{HERE}:volume/vol-" in words(
        snapshots.client("ec2").create_snapshots, **specification
    )
    ec2.create_security_group(GroupName="by-name", Description="d")
    (group,) = ec2.describe_security_groups(GroupNames=["by-name"])["SecurityGroups"]
    assert f"security-group/{group['GroupId']}" in words(
        root.user("groups").client("ec2").delete_security_group, GroupName="by-name"
    )
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_dry_run_says_what_would_be(root, nobody):
    wanted = {"AvailabilityZone": "us-east-1a", "Size": 1, "DryRun": True}
    assert refused(nobody.client("ec2").create_volume, **wanted)[0] == "UnauthorizedOperation"
    assert refused(root.client("ec2").create_volume, **wanted)[0] == "DryRunOperation"


def test_blocks_are_read_by_those_who_may(root):
    account = account_of(root)
    snapshot_id = account.snapshot_of({0: b"\x01" * 512 * 1024})
    account.ec2.create_tags(Resources=[snapshot_id], Tags=[{"Key": "Team", "Value": "A"}])
    snapshots = "arn:aws:ec2:*::snapshot/*"
    reader = root.user(
        "reader",
        allow(["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"], snapshots,
              Condition={"StringEqualsIgnoreCase": {"aws:ResourceTag/team": "a"}}),
    )  # fmt: skip
    ebs = reader.client("ebs")
    (block,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    read = ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockToken=block["BlockToken"])
    assert read["BlockData"].read()[:2] == b"\x01\x01"
    assert refused(ebs.start_snapshot, VolumeSize=1) == ("AccessDeniedException", 403)
    account.ec2.delete_tags(Resources=[snapshot_id], Tags=[{"Key": "Team"}])
    assert refused(ebs.list_snapshot_blocks, SnapshotId=snapshot_id) == ("AccessDeniedException", 403)
    writer = Account(root.endpoint)
    writer.ebs = root.user("writer", allow("ebs:*", snapshots)).client("ebs")
    assert writer.blocks(writer.snapshot_of({3: b"\x02" * 512 * 1024}))[3][:1] == b"\x02"


# ---------------------------------------------------------------------------------------------------- roles, sessions


@pytest.mark.parametrize(("external_id", "allowed"), [("right", True), ("wrong", False), (None, False)])
def test_role_of_another_account_by_its_external_id(root, external_id, allowed):
    name = f"external-{external_id}"
    other = Person(root.endpoint, THERE)
    trust = trusting(f"arn:aws:iam::{HERE}:root", sts_ExternalId="right")
    role_arn = other.role(name, trust, allow("ec2:*"))
    user = root.user(name, allow("sts:AssumeRole", role_arn))
    options = {"ExternalId": external_id} if external_id else {}
    if not allowed:
        arguments = {"RoleArn": role_arn, "RoleSessionName": "session", **options}
        assert refused(user.client("sts").assume_role, **arguments) == ("AccessDenied", 403)
        return
    session = user.session(role_arn, **options)
    identity = session.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{THERE}:assumed-role/{name}/session"
    volume_id = session.client("ec2").create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    assert volume_id in {one["VolumeId"] for one in other.client("ec2").describe_volumes()["Volumes"]}
    assert refused(session.client("iam").list_roles) == ("AccessDenied", 403)


def test_both_sides_of_a_trust_are_needed(root):
    other = Person(root.endpoint, THERE)
    role_arn = other.role("both", trusting(f"arn:aws:iam::{HERE}:user/trusted"), allow("ec2:*"))
    arguments = {"RoleArn": role_arn, "RoleSessionName": "session"}
    trusted, stranger = root.user("trusted"), root.user("stranger", allow("sts:AssumeRole"))
    assert "no identity-based policy" in words(trusted.client("sts").assume_role, **arguments)
    assert "no resource-based policy" in words(stranger.client("sts").assume_role, **arguments)
    same = root.role("same", trusting(f"arn:aws:iam::{HERE}:user/trusted"))
    trusted.session(same)
    missing = f"arn:aws:iam::{HERE}:role/missing"
    assert refused(root.client("sts").assume_role, RoleArn=missing, RoleSessionName="session")[0] == "AccessDenied"


def test_session_policies_limit_a_session(root):
    role_arn = root.role("limited", trusting(f"arn:aws:iam::{HERE}:root"), allow(["ec2:*", "s3:*"]))
    session = root.session(role_arn, Policy=document(allow("ec2:Describe*")))
    session.client("ec2").describe_volumes()
    assert "no session policy allows" in words(session.client("s3").list_buckets)
    read_only = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]
    session = root.session(role_arn, PolicyArns=read_only)
    session.client("s3").list_buckets()
    assert refused(session.client("ec2").describe_volumes)[0] == "UnauthorizedOperation"


def test_boundary_limits_a_role(root):
    iam = root.client("iam")
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=document(allow("ec2:*")))["Policy"]["Arn"]
    role_arn = root.role("bounded", trusting(f"arn:aws:iam::{HERE}:root"), allow("*"), PermissionsBoundary=bound)
    session = root.session(role_arn)
    session.client("ec2").describe_volumes()
    assert "no permissions boundary allows" in words(session.client("s3").list_buckets)
    maker = root.user(
        "maker", allow("iam:CreateRole", Condition={"StringEquals": {"iam:PermissionsBoundary": bound}})
    ).client("iam")
    wanted = {"RoleName": "made", "AssumeRolePolicyDocument": trusting(HERE)}
    assert refused(maker.create_role, **wanted) == ("AccessDenied", 403)
    maker.create_role(**wanted, PermissionsBoundary=bound)


def test_sessions_end_and_need_their_token(root):
    role_arn = root.role("short", trusting(f"arn:aws:iam::{HERE}:root"), allow("*"))
    session = root.session(role_arn, DurationSeconds=900)
    without = Person(session.endpoint, session.access_key, session.secret_key)
    wrong = Person(session.endpoint, session.access_key, session.secret_key, "wrong")
    for person, code in ((without, "InvalidAccessKeyId"), (wrong, "InvalidToken")):
        assert refused(person.client("s3").list_buckets)[0] == code
    assert refused(root.session, role_arn=role_arn, DurationSeconds=7200) == ("ValidationError", 400)
    session.client("s3").list_buckets()
    account_of(root).advance(901)
    assert refused(session.client("s3").list_buckets) == ("ExpiredToken", 400)
    assert refused(session.client("ec2").describe_volumes) == ("RequestExpired", 400)
    assert refused(session.client("iam").list_users) == ("ExpiredToken", 403)
    assert refused(session.client("kms").list_keys) == ("ExpiredTokenException", 400)
    root.session(role_arn).client("s3").list_buckets()


def test_simulation_says_what_enforcement_does(root):
    root.user("simulated", allow("s3:Get*", "arn:aws:s3:::mine/*"), deny("s3:GetObject", "arn:aws:s3:::mine/secret"))
    iam = root.client("iam")
    arn = f"arn:aws:iam::{HERE}:user/simulated"
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::mine/a", "arn:aws:s3:::mine/secret"],
    )["EvaluationResults"]
    found = {
        (one["EvalActionName"], one["EvalResourceName"].rpartition("/")[2]): one["EvalDecision"] for one in results
    }
    assert found == {
        ("s3:GetObject", "a"): "allowed",
        ("s3:GetObject", "secret"): "explicitDeny",
        ("s3:PutObject", "a"): "implicitDeny",
        ("s3:PutObject", "secret"): "implicitDeny",
    }
    iam.put_user_policy(
        UserName="simulated", PolicyName="c",
        PolicyDocument=document(allow("ec2:*", Condition={"StringEquals": {"aws:RequestTag/Team": "a"}})),
    )  # fmt: skip
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == ["aws:requesttag/team"]
    entry = {"ContextKeyName": "aws:RequestTag/Team", "ContextKeyValues": ["a"], "ContextKeyType": "string"}
    for entries, expected in (([], "implicitDeny"), ([entry], "allowed")):
        (result,) = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["ec2:RunInstances"], ContextEntries=entries
        )["EvaluationResults"]
        assert result["EvalDecision"] == expected
    assert refused(iam.simulate_principal_policy, PolicySourceArn=arn + "x", ActionNames=["a:b"])[0] == "NoSuchEntity"


# ---------------------------------------------------------------------------------------------------- witness, delay


def test_every_decision_can_be_seen(root):
    role_arn = root.role("seen", trusting(f"arn:aws:iam::{HERE}:root"), allow("ec2:DescribeVolumes"))
    session = root.session(role_arn)
    for _ in range(2):
        session.client("ec2").describe_volumes()
    refused(session.client("s3").get_object, Bucket="nowhere", Key="k")
    seen = [one for one in account_of(root).lab("access")["decisions"] if one["principal"] == "role/seen"]
    assert [(one["action"], one["resource"], one["decision"], one["count"]) for one in seen] == [
        ("ec2:DescribeVolumes", "*", "allowed", 2),
        ("s3:GetObject", "arn:aws:s3:::nowhere/*", "implicitDeny", 1),
    ]


def test_without_any_one_of_its_permissions_a_run_fails(root):
    """From what a run asked for, its permissions follow: with all of them it succeeds, without one it does not."""
    trust = trusting(f"arn:aws:iam::{HERE}:root")

    def run(name, statements):
        session = root.session(root.role(name, trust, *statements))
        ec2 = session.client("ec2")
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]
        volume_id = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=tags)["VolumeId"]
        until(lambda: ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"] == "available")
        snapshot_id = ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"]
        until(lambda: ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]["State"] == "completed")
        session.client("ebs").list_snapshot_blocks(SnapshotId=snapshot_id)

    run("everything", [allow("*")])
    decisions = account_of(root).lab("access")["decisions"]
    needed = sorted({(one["action"], one["resource"]) for one in decisions if one["principal"] == "role/everything"})
    assert len(needed) >= 7
    run("exactly", [allow(action, resource) for action, resource in needed])
    for position in range(len(needed)):
        left = needed[:position] + needed[position + 1 :]
        code, _ = refused(run, name=f"without-{position}", statements=[allow(*one) for one in left])
        assert code in ("UnauthorizedOperation", "AccessDeniedException")


def test_changes_take_a_moment(slow_root):
    role_arn = slow_root.role("new", trusting(f"arn:aws:iam::{HERE}:root"))
    sts, iam = slow_root.client("sts"), slow_root.client("iam")
    arguments = {"RoleArn": role_arn, "RoleSessionName": "session"}
    assert refused(sts.assume_role, **arguments) == ("AccessDenied", 403)
    account_of(slow_root).advance(61)
    session = slow_root.session(role_arn)
    iam.put_role_policy(RoleName="new", PolicyName="p", PolicyDocument=document(allow("ec2:Describe*")))
    ec2 = session.client("ec2")
    assert refused(ec2.describe_volumes)[0] == "UnauthorizedOperation"
    account_of(slow_root).advance(61)
    ec2.describe_volumes()
    iam.delete_role_policy(RoleName="new", PolicyName="p")
    ec2.describe_volumes()
    account_of(slow_root).advance(61)
    assert refused(ec2.describe_volumes)[0] == "UnauthorizedOperation"


def test_new_profile_is_unknown_to_ec2_for_a_moment(slow_root):
    iam, ec2 = slow_root.client("iam"), slow_root.client("ec2")
    trust = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    slow_root.role("worker", trust)
    iam.create_instance_profile(InstanceProfileName="worker")
    iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
    wanted = {"ImageId": "ami-0123456789abcdef0", "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small",
              "IamInstanceProfile": {"Name": "worker"}, "DryRun": True}  # fmt: skip
    assert refused(ec2.run_instances, **wanted) == ("InvalidParameterValue", 400)
    assert "Invalid IAM Instance Profile name" in words(ec2.run_instances, **wanted)
    account_of(slow_root).advance(61)
    assert refused(ec2.run_instances, **wanted)[0] != "InvalidParameterValue"
    runner = slow_root.user("runner", allow("ec2:*"))
    account_of(slow_root).advance(61)
    assert f"iam:PassRole on resource: arn:aws:iam::{HERE}:role/worker" in words(
        runner.client("ec2").run_instances, **wanted
    )
    assert refused(ec2.run_instances, **{**wanted, "IamInstanceProfile": {"Name": "no"}})[0] == "InvalidParameterValue"
