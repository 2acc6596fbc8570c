"""What requests to S3 demand: an operation is a method and what the query names, an action often has another name.

After "Actions, resources, and condition keys for Amazon S3" and the user guide's "Required permissions for Amazon S3
API operations": HeadObject needs s3:GetObject, listing s3:ListBucket, parts s3:PutObject, a version its own action.
What is encrypted under a KMS key is sealed and opened as whoever asks ("Using server-side encryption with AWS KMS
keys"); AWS's own key of the account asks nobody.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import unquote

from moto.s3.models import FakeKey, s3_backends

from holdfast.lab.access.calls import Call
from holdfast.lab.access.demands_kms import demand_on, key_of
from holdfast.lab.access.evaluator import Demand, Principal, ResourceRule
from holdfast.lab.access.identities import Identities
from holdfast.lab.access.policy import read
from holdfast.lab.s3_objects import version_at

_BUCKET_QUERIES = {
    "acl": ("GetBucketAcl", "PutBucketAcl", ""),
    "accelerate": ("GetAccelerateConfiguration", "PutAccelerateConfiguration", ""),
    "cors": ("GetBucketCORS", "PutBucketCORS", "PutBucketCORS"),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration", "PutEncryptionConfiguration"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration", "PutLifecycleConfiguration"),
    "location": ("GetBucketLocation", "", ""),
    "logging": ("GetBucketLogging", "PutBucketLogging", ""),
    "notification": ("GetBucketNotification", "PutBucketNotification", ""),
    "object-lock": ("GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration", ""),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "policyStatus": ("GetBucketPolicyStatus", "", ""),
    "publicAccessBlock": ("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    "replication": ("GetReplicationConfiguration", "PutReplicationConfiguration", "PutReplicationConfiguration"),
    "requestPayment": ("GetBucketRequestPayment", "PutBucketRequestPayment", ""),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    "uploads": ("ListBucketMultipartUploads", "", ""),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning", ""),
    "versions": ("ListBucketVersions", "", ""),
    "website": ("GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"),
}
_OBJECT_QUERIES = {
    "acl": ("GetObjectAcl", "PutObjectAcl", ""),
    "attributes": ("GetObjectAttributes", "", ""),
    "legal-hold": ("GetObjectLegalHold", "PutObjectLegalHold", ""),
    "retention": ("GetObjectRetention", "PutObjectRetention", ""),
    "tagging": ("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
    "torrent": ("GetObjectTorrent", "", ""),
    "uploadId": ("ListMultipartUploadParts", "PutObject", "AbortMultipartUpload"),
}
_METHODS = {"GET": 0, "HEAD": 0, "PUT": 1, "POST": 1, "DELETE": 2}
_OF_VERSIONS = ("GetObject", "DeleteObject", "GetObjectAcl", "PutObjectAcl", "GetObjectTagging", "PutObjectTagging",
                "DeleteObjectTagging", "GetObjectAttributes")  # fmt: skip
_KEY = re.compile(rb"<Key>(.*?)</Key>(?:\s*<VersionId>(.*?)</VersionId>)?", re.DOTALL)
_AWS_OWN_KEY = "alias/aws/s3"
_LOCK_DAYS = "s3:object-lock-remaining-retention-days"
# What the owner's root user may do whatever the bucket's policy says.
ROOT_ALWAYS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")
_HEADER_KEYS = {
    "x-amz-acl": "s3:x-amz-acl",
    "x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class": "s3:x-amz-storage-class",
    "x-amz-content-sha256": "s3:x-amz-content-sha256",
    "x-amz-copy-source": "s3:x-amz-copy-source",
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
    "if-none-match": "s3:if-none-match",
    "if-match": "s3:if-match",
}
_WITH_PUT = {
    "x-amz-tagging": "s3:PutObjectTagging",
    "x-amz-acl": "s3:PutObjectAcl",
    "x-amz-object-lock-mode": "s3:PutObjectRetention",
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
}
_QUERY_KEYS = {
    "prefix": "s3:prefix",
    "delimiter": "s3:delimiter",
    "max-keys": "s3:max-keys",
    "versionId": "s3:versionid",
}


def parts_of(call: Call) -> tuple[str, str]:
    """Bucket and key of the path; both may be empty."""
    _, bucket, *key = call.path.split("/", 2)
    return bucket, key[0] if key else ""


def of_s3(call: Call, identities: Identities) -> Iterator[Demand]:
    """The demands of one request to S3."""
    bucket, key = parts_of(call)
    context = _context(call)
    if not bucket:
        yield Demand("s3:ListAllMyBuckets", "*", context)
        return
    rule = rule_of(bucket)
    resource = f"arn:{call.partition}:s3:::{bucket}"
    method = call.environ["REQUEST_METHOD"]
    if not key:
        if method == "POST" and "delete" in call.query:
            # Each key is asked for on its own when the body is read.
            return
        yield Demand(f"s3:{_bucket_action(method, call)}", resource, context, rule)
        return
    action = _object_action(method, call)
    yield Demand(f"s3:{action}", f"{resource}/{key}", context, rule)
    source = call.header("x-amz-copy-source")
    if source and method == "PUT":
        path, _, version = unquote(source).lstrip("/").partition("?versionId=")
        source_rule = rule_of(path.partition("/")[0])
        needed = "s3:GetObjectVersion" if version else "s3:GetObject"
        yield Demand(needed, f"arn:{call.partition}:s3:::{path}", {}, source_rule)
    if action == "PutObject" and method in ("PUT", "POST"):
        for header, needed in _WITH_PUT.items():
            if call.header(header):
                yield Demand(needed, f"{resource}/{key}", context, rule)


def of_encrypted_objects(call: Call, principal: Principal) -> Iterator[Demand]:
    """What KMS is asked for, where a key of somebody's is in play."""
    bucket, key = parts_of(call)
    method = call.environ["REQUEST_METHOD"]
    action = _object_action(method, call) if key else ""
    # A HEAD opens nothing but the checksum (HeadObject in the API reference, "ChecksumMode").
    opens = action in ("GetObject", "GetObjectVersion") and (method == "GET" or call.header("x-amz-checksum-mode"))
    source = call.header("x-amz-copy-source")
    if action == "PutObject":
        yield from _uses(call, principal, "GenerateDataKey", _key_of_new(call, bucket))
        if source:
            path, _, version = unquote(source).lstrip("/").partition("?versionId=")
            yield from _uses(call, principal, "Decrypt", _key_that_sealed(f"/{path}", version or None))
    elif opens:
        yield from _uses(call, principal, "Decrypt", _key_that_sealed(call.path, call.query.get("versionId")))


def deletions(call: Call, body: bytes) -> Iterator[tuple[bytes, Demand]]:
    """For each key that a DeleteObjects names: its text as it is in the body, and what deleting it demands."""
    bucket, _ = parts_of(call)
    rule = rule_of(bucket)
    for match in _KEY.finditer(body):
        key = match.group(1).decode("utf-8", "replace")
        for escaped, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#13;", "\r"), ("&amp;", "&")):
            key = key.replace(escaped, char)
        action = "s3:DeleteObjectVersion" if match.group(2) else "s3:DeleteObject"
        yield match.group(1), Demand(action, f"arn:{call.partition}:s3:::{bucket}/{key}", _context(call), rule)


def rule_of(bucket: str) -> ResourceRule | None:
    """Whose the bucket is, and its policy; None where there is no such bucket."""
    owner = s3_backends.bucket_accounts.get(bucket)
    if owner is None:
        return None
    partition, account = owner
    found = s3_backends[account][partition].buckets.get(bucket)
    return ResourceRule(account, read(found.policy) if found is not None else None)


def _uses(call: Call, principal: Principal, use: str, key_id: str | None) -> Iterator[Demand]:
    key = key_of(call, key_id) if key_id else None
    if key is not None and _AWS_OWN_KEY not in key.aliases:
        yield demand_on(key, use, principal, {"kms:viaservice": (f"s3.{call.region}.amazonaws.com",)})


def _key_of_new(call: Call, bucket: str) -> str | None:
    """As the request says, else by the bucket's default encryption."""
    if call.header("x-amz-server-side-encryption"):
        return call.header("x-amz-server-side-encryption-aws-kms-key-id")
    owner = s3_backends.bucket_accounts.get(bucket)
    found = s3_backends[owner[1]][owner[0]].buckets.get(bucket) if owner is not None else None
    if found is None or not found.encryption:
        return None
    key_id: str | None = found.encryption["Rule"]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    return key_id


def _key_that_sealed(path: str, version: str | None) -> str | None:
    found = version_at(path, version)
    return found.kms_key_id if isinstance(found, FakeKey) else None


def _bucket_action(method: str, call: Call) -> str:
    for name, actions in _BUCKET_QUERIES.items():
        if name in call.query and (found := actions[_METHODS.get(method, 0)]):
            return found
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "POST": "PutObject"}.get(method, "ListBucket")


def _object_action(method: str, call: Call) -> str:
    query = call.query
    action = {"PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject"}.get(method, "GetObject")
    for name, actions in _OBJECT_QUERIES.items():
        if name in query and (found := actions[_METHODS.get(method, 0)]):
            action = found
    if "restore" in query:
        action = "RestoreObject"
    if "versionId" in query and action in _OF_VERSIONS:
        # s3:GetObjectVersion, but s3:GetObjectVersionAcl.
        return action.replace("Object", "ObjectVersion", 1)
    return action


def _context(call: Call) -> dict[str, tuple[str, ...]]:
    presigned = "X-Amz-Signature" in call.query
    context: dict[str, tuple[str, ...]] = {
        "s3:authtype": ("REST-QUERY-STRING" if presigned else "REST-HEADER",),
        "s3:signatureversion": ("AWS4-HMAC-SHA256",),
        "s3:tlsversion": ("1.3",),
    }
    for header, key in _HEADER_KEYS.items():
        value = call.header(header)
        if value is not None:
            context[key] = (value,)
    for name, key in _QUERY_KEYS.items():
        if name in call.query:
            context[key] = (call.query[name],)
    until = call.header("x-amz-object-lock-retain-until-date")
    if until is not None:
        context[_LOCK_DAYS] = (str(_days_from_now(until)),)
    return context


def _days_from_now(until: str) -> int:
    """Whole days that a lock goes on from now."""
    return (datetime.fromisoformat(until) - datetime.now(UTC)).days
