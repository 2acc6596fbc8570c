"""What a template may say of a bucket, as moto's S3 keeps it."""

from collections.abc import Mapping
from typing import Any

from moto.s3.cloud_formation import cfn_to_api_encryption
from moto.s3.models import PublicAccessBlock
from moto.utilities.tagging_service import TaggingService

Properties = Mapping[str, Any]


def apply_to_bucket(backend: Any, bucket: Any, properties: Properties) -> None:
    """Set everything that the properties say, and take back what they no longer say."""
    bucket.public_access_block = _public_access_block(properties.get("PublicAccessBlockConfiguration"))
    bucket.encryption = (
        cfn_to_api_encryption(properties["BucketEncryption"]) if "BucketEncryption" in properties else None
    )
    status = properties.get("VersioningConfiguration", {}).get("Status")
    if status or bucket.versioning_status:
        bucket.versioning_status = status or "Suspended"
    rules = properties.get("LifecycleConfiguration", {}).get("Rules", ())
    if rules:
        bucket.set_lifecycle([_lifecycle_rule(rule) for rule in rules])
    else:
        bucket.delete_lifecycle()
    ownership = properties.get("OwnershipControls", {}).get("Rules", ())
    if ownership:
        bucket.ownership_rule = ownership[0]["ObjectOwnership"]
    if _true(properties.get("ObjectLockEnabled", False)):
        bucket.object_lock_enabled = True
        bucket.versioning_status = "Enabled"
        retention = properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        if retention:
            bucket.default_lock_mode = retention.get("Mode")
            bucket.default_lock_days = int(retention.get("Days", 0))
            bucket.default_lock_years = int(retention.get("Years", 0))
    if "Tags" in properties:
        backend.put_bucket_tagging(bucket.name, TaggingService().flatten_tag_list(properties["Tags"]))


def _public_access_block(said: Properties | None) -> PublicAccessBlock | None:
    if said is None:
        return None
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return PublicAccessBlock(*("true" if _true(said.get(name, False)) else "false" for name in names))


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """A rule in the API's words, whose numbers are texts as they come from XML."""
    made: dict[str, Any] = {"ID": rule.get("Id", ""), "Status": rule["Status"]}
    made["Filter"] = {"Prefix": rule.get("Prefix", "")}
    expiration: dict[str, str] = {}
    if "ExpirationInDays" in rule:
        expiration["Days"] = str(rule["ExpirationInDays"])
    if "ExpiredObjectDeleteMarker" in rule:
        expiration["ExpiredObjectDeleteMarker"] = str(rule["ExpiredObjectDeleteMarker"]).lower()
    if expiration:
        made["Expiration"] = expiration
    noncurrent = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    noncurrent = noncurrent or rule.get("NoncurrentVersionExpirationInDays")
    if noncurrent:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": str(noncurrent)}
    if "AbortIncompleteMultipartUpload" in rule:
        days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": str(days)}
    transitions = rule.get("Transitions", ())
    if transitions:
        made["Transition"] = [
            {"StorageClass": one["StorageClass"], "Days": str(one["TransitionInDays"])} for one in transitions
        ]
    return made


def _true(value: object) -> bool:
    return str(value).lower() == "true"
