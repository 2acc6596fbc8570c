"""Buckets, keys and queues have policies of their own, and are shared across accounts by them."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import Account
from tests.e2e.lab.people import HERE, THERE, Person, allow, deny, document, refused, trusting, words
from tests.labs import start_lab

KIB = 1024


@pytest.fixture(scope="module")
def root():
    with start_lab(faults="iam=0ms,quota=off,pending=100ms") as lab:
        yield Person(lab.endpoint, HERE)


@pytest.fixture(scope="module")
def other(root):
    return Person(root.endpoint, THERE)


def bucket_of(person, name, *statements):
    s3 = person.client("s3")
    s3.create_bucket(Bucket=name)
    if statements:
        s3.put_bucket_policy(Bucket=name, Policy=document(*statements))
    return f"arn:aws:s3:::{name}"


# ----------------------------------------------------------------------------------------------------------------- S3


def test_data_path_of_a_repository(root):
    """What a repository does in a bucket, under a policy that allows that and no more."""
    arn = bucket_of(root, "repository")
    s3 = root.user(
        "keeper",
        allow("s3:ListBucket", arn, Condition={"StringLike": {"s3:prefix": "repo/*"}}),
        allow(["s3:GetObject", "s3:AbortMultipartUpload"], f"{arn}/repo/*"),
        allow("s3:PutObject", f"{arn}/repo/*", Condition={"StringEquals": {"s3:if-none-match": "*"}}),
    ).client("s3")
    key = "repo/packs/ä b+c"
    s3.put_object(Bucket="repository", Key=key, Body=b"x" * 300 * KIB, IfNoneMatch="*")
    assert s3.get_object(Bucket="repository", Key=key, Range="bytes=0-9")["Body"].read() == b"x" * 10
    assert s3.head_object(Bucket="repository", Key=key)["ContentLength"] == 300 * KIB
    assert s3.list_objects_v2(Bucket="repository", Prefix="repo/p")["KeyCount"] == 1
    assert refused(s3.put_object, Bucket="repository", Key=key, Body=b"") == ("AccessDenied", 403)
    assert refused(s3.put_object, Bucket="repository", Key="else", Body=b"", IfNoneMatch="*") == ("AccessDenied", 403)
    assert refused(s3.delete_object, Bucket="repository", Key=key) == ("AccessDenied", 403)
    assert refused(s3.list_objects_v2, Bucket="repository") == ("AccessDenied", 403)
    upload = root.client("s3").create_multipart_upload(Bucket="repository", Key="repo/parts")["UploadId"]
    part = {"Bucket": "repository", "Key": "repo/parts", "UploadId": upload}
    assert refused(s3.upload_part, **part, PartNumber=1, Body=b"x") == ("AccessDenied", 403)
    s3.abort_multipart_upload(**part)


def test_missing_key_is_told_to_those_who_may_list(root):
    arn = bucket_of(root, "missing-keys")
    getter = root.user("getter", allow("s3:GetObject", f"{arn}/*")).client("s3")
    assert refused(getter.get_object, Bucket="missing-keys", Key="k") == ("AccessDenied", 403)
    assert refused(getter.head_object, Bucket="missing-keys", Key="k") == ("403", 403)
    lister = root.user("lister", allow("s3:*", [arn, f"{arn}/*"])).client("s3")
    assert refused(lister.get_object, Bucket="missing-keys", Key="k") == ("NoSuchKey", 404)


def test_versions_have_actions_of_their_own(root):
    arn = bucket_of(root, "versions")
    s3 = root.client("s3")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="versions", Key="k", Body=b"x")["VersionId"]
    user = root.user("plain", allow(["s3:GetObject", "s3:DeleteObject", "s3:ListBucket"], [arn, f"{arn}/*"]))
    assert refused(user.client("s3").get_object, Bucket="versions", Key="k", VersionId=version)[0] == "AccessDenied"
    assert refused(user.client("s3").delete_object, Bucket="versions", Key="k", VersionId=version)[1] == 403
    user.client("s3").delete_object(Bucket="versions", Key="k")


def test_each_key_of_a_deletion_is_judged(root):
    arn = bucket_of(root, "deletions")
    for key in ("mine/a&b", "mine/c", "theirs"):
        root.client("s3").put_object(Bucket="deletions", Key=key, Body=b"")
    s3 = root.user("deleter", allow("s3:DeleteObject", f"{arn}/mine/*")).client("s3")

    def delete(*keys):
        objects = [{"Key": key} for key in keys]
        answer = s3.delete_objects(Bucket="deletions", Delete={"Objects": objects})
        return ({one["Key"] for one in answer.get("Deleted", ())},
                {(one["Key"], one["Code"]) for one in answer.get("Errors", ())})  # fmt: skip

    assert delete("theirs") == (set(), {("theirs", "AccessDenied")})
    assert delete("mine/a&b", "theirs") == ({"mine/a&b"}, {("theirs", "AccessDenied")})
    assert delete("mine/c") == ({"mine/c"}, set())
    left = root.client("s3").list_objects_v2(Bucket="deletions")["Contents"]
    assert [one["Key"] for one in left] == ["theirs"]


def test_copy_reads_and_writes(root):
    source, target = bucket_of(root, "copy-source"), bucket_of(root, "copy-target")
    root.client("s3").put_object(Bucket="copy-source", Key="k", Body=b"x")
    arguments = {"Bucket": "copy-target", "Key": "k", "CopySource": "copy-source/k"}
    writer = root.user("copier", allow("s3:PutObject", f"{target}/*"))
    assert "s3:GetObject" in words(writer.client("s3").copy_object, **arguments)
    both = root.user("copier-2", allow("s3:PutObject", f"{target}/*"), allow("s3:GetObject", f"{source}/*"))
    both.client("s3").copy_object(**arguments)


def test_bucket_policy_shares_with_another_account(root, other):
    arn = bucket_of(root, "shared")
    root.client("s3").put_object(Bucket="shared", Key="k", Body=b"x")
    assert refused(other.client("s3").get_object, Bucket="shared", Key="k") == ("AccessDenied", 403)
    statement = allow("s3:GetObject", f"{arn}/*", Principal={"AWS": f"arn:aws:iam::{THERE}:root"})
    root.client("s3").put_bucket_policy(Bucket="shared", Policy=document(statement))
    assert other.client("s3").get_object(Bucket="shared", Key="k")["Body"].read() == b"x"
    user = other.user("reader", allow("s3:GetObject", f"{arn}/*"))
    assert user.client("s3").get_object(Bucket="shared", Key="k")["Body"].read() == b"x"
    assert refused(other.user("other").client("s3").get_object, Bucket="shared", Key="k") == ("AccessDenied", 403)


def test_denial_of_insecure_transport_denies_nobody_here(root):
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    arn = bucket_of(root, "secure")
    everything = deny("s3:*", [arn, f"{arn}/*"], Principal="*", Condition=insecure)
    root.client("s3").put_bucket_policy(Bucket="secure", Policy=document(everything))
    root.client("s3").put_object(Bucket="secure", Key="k", Body=b"x")
    assert root.client("s3").get_object(Bucket="secure", Key="k")["Body"].read() == b"x"


def test_root_is_denied_by_a_bucket_policy_and_can_take_it_back(root):
    arn = bucket_of(root, "locked-out")
    root.client("s3").put_bucket_policy(
        Bucket="locked-out", Policy=document(deny("s3:*", [arn, f"{arn}/*"], Principal="*"))
    )
    assert refused(root.client("s3").put_object, Bucket="locked-out", Key="k", Body=b"") == ("AccessDenied", 403)
    root.client("s3").delete_bucket_policy(Bucket="locked-out")
    root.client("s3").put_object(Bucket="locked-out", Key="k", Body=b"")


def test_presigned_urls_carry_their_makers_permissions_for_a_while(root):
    arn = bucket_of(root, "presigned")
    root.client("s3").put_object(Bucket="presigned", Key="k", Body=b"x")
    maker = root.user("presigner", allow("s3:GetObject", f"{arn}/k"))
    s3 = maker.client("s3", signature_version="s3v4")

    def url(key):
        return s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": key}, ExpiresIn=60)

    with urlopen(url("k")) as answer:
        assert answer.read() == b"x"
    forged = url("k").replace("Expires=60", "Expires=600")
    old = maker.client("s3", signature_version="s3").generate_presigned_url(
        "get_object", Params={"Bucket": "presigned", "Key": "k"}
    )
    late = url("k")
    for refusable in (url("other"), forged, old):
        with pytest.raises(HTTPError):
            urlopen(refusable)
    Account(root.endpoint).advance(61)
    with pytest.raises(HTTPError):
        urlopen(late)


# ---------------------------------------------------------------------------------------------------------------- KMS


def test_key_policy_and_identity_policy(root):
    key_id = root.client("kms").create_key()["KeyMetadata"]["Arn"]
    user = root.user("crypter")
    assert refused(user.client("kms").encrypt, KeyId=key_id, Plaintext=b"x") == ("AccessDeniedException", 400)
    limited = allow(
        ["kms:Encrypt", "kms:Decrypt"], key_id, Condition={"StringEquals": {"kms:EncryptionContext:repo": "r1"}}
    )
    root.client("iam").put_user_policy(UserName="crypter", PolicyName="p", PolicyDocument=document(limited))
    kms, context = user.client("kms"), {"repo": "r1"}
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"x"
    assert refused(kms.encrypt, KeyId=key_id, Plaintext=b"x") == ("AccessDeniedException", 400)
    assert refused(kms.decrypt, CiphertextBlob=blob, EncryptionContext={"repo": "r2"})[0] == "AccessDeniedException"
    assert refused(kms.generate_data_key, KeyId=key_id, KeySpec="AES_256", EncryptionContext=context)[1] == 400


def test_key_whose_policy_names_nobody_else_is_its_named_ones_alone(root):
    user = root.user("owner", allow("kms:*"))
    only = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{HERE}:user/owner"})
    key_id = root.client("kms").create_key(Policy=document(only), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"][
        "KeyId"
    ]
    assert refused(root.client("kms").describe_key, KeyId=key_id) == ("AccessDeniedException", 400)
    user.client("kms").describe_key(KeyId=key_id)


def test_grants_allow_within_their_constraints(root):
    kms = root.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    role_arn = root.role("grantee", trusting(f"arn:aws:iam::{HERE}:root"))
    mine = root.session(role_arn).client("kms")
    arguments = {"KeyId": key_id, "KeySpec": "AES_256"}
    assert refused(mine.generate_data_key, **arguments)[0] == "AccessDeniedException"
    grant = kms.create_grant(
        KeyId=key_id, GranteePrincipal=role_arn, Operations=["GenerateDataKey", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"session": "s1"}},
    )  # fmt: skip
    context = {"session": "s1", "more": "x"}
    blob = mine.generate_data_key(**arguments, EncryptionContext=context)["CiphertextBlob"]
    assert len(mine.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"]) == 32
    assert refused(mine.generate_data_key, **arguments)[0] == "AccessDeniedException"
    assert refused(mine.encrypt, KeyId=key_id, Plaintext=b"x", EncryptionContext=context)[0] == "AccessDeniedException"
    assert refused(mine.retire_grant, KeyId=key_id, GrantId=grant["GrantId"])[0] == "AccessDeniedException"
    kms.retire_grant(KeyId=key_id, GrantId=grant["GrantId"])
    assert refused(mine.generate_data_key, **arguments, EncryptionContext=context)[0] == "AccessDeniedException"


def test_key_of_another_account(root, other):
    kms = root.client("kms")
    key = kms.create_key()["KeyMetadata"]
    user = other.user("kms-user", allow("kms:*"))
    arguments = {"KeyId": key["Arn"], "Plaintext": b"x"}
    assert refused(user.client("kms").encrypt, **arguments)[0] == "AccessDeniedException"
    policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
    policy["Statement"].append(allow(["kms:Encrypt", "kms:Decrypt"], Principal={"AWS": f"arn:aws:iam::{THERE}:root"}))
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
    blob = user.client("kms").encrypt(**arguments)["CiphertextBlob"]
    assert user.client("kms").decrypt(KeyId=key["Arn"], CiphertextBlob=blob)["Plaintext"] == b"x"
    assert user.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert refused(user.client("kms").describe_key, KeyId=key["Arn"])[0] == "AccessDeniedException"


# ---------------------------------------------------------------------------------------------------------------- SQS


def test_queue_is_used_by_those_who_may(root):
    sqs = root.client("sqs")
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{HERE}:work"
    mine = root.user("worker", allow(["sqs:SendMessage", "sqs:ReceiveMessage"], arn)).client("sqs")
    mine.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "m"}])
    (message,) = mine.receive_message(QueueUrl=url)["Messages"]
    assert refused(mine.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])[0] == (
        "AccessDeniedException"
    )
    assert refused(mine.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])[0] == "AccessDeniedException"


def test_queue_is_shared_by_its_policy(root, other):
    sqs = root.client("sqs")
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    user = other.user("sender", allow("sqs:*"))
    assert refused(user.client("sqs").send_message, QueueUrl=url, MessageBody="m")[0] == "AccessDeniedException"
    arn = f"arn:aws:sqs:us-east-1:{HERE}:shared"
    policy = document(allow("sqs:SendMessage", arn, Principal={"AWS": THERE}))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    user.client("sqs").send_message(QueueUrl=url, MessageBody="from there")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "from there"
    with pytest.raises(ClientError):
        user.client("sqs").receive_message(QueueUrl=url)
