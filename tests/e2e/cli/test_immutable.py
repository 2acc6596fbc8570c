"""An immutable repository as a person has it, in the lab's S3: made, kept, refused, attacked, restored."""

import json
import random
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.cli.conftest import Holdfast
from tests.labs import start_lab

SIZE_BYTES = 2 * 512 * 1024


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with start_lab() as lab:
        yield lab.endpoint


@pytest.fixture
def s3(endpoint):
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


@pytest.fixture
def cloud(holdfast: Holdfast, endpoint: str) -> Holdfast:
    holdfast.environment["AWS_ENDPOINT_URL"] = endpoint
    return holdfast


def attack(s3, bucket: str) -> tuple[int, int]:
    """Every version is deleted where S3 lets it, and hidden where not: how many of each."""
    deleted, hidden = 0, set()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in page.get("Versions", ()):
            try:
                s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
                deleted += 1
            except ClientError:
                hidden.add(one["Key"])
    for key in hidden:
        s3.delete_object(Bucket=bucket, Key=key)
    return deleted, len(hidden)


def test_what_is_promised_cannot_be_taken_away(cloud, s3):
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    cloud.repository = "s3://locked/p"
    cloud.init("--immutable")
    shown = cloud.repo("show", "--output", "json").document
    assert (shown["immutable"], shown["locks_renewed"], shown["pack_size_bytes"]) == (True, None, 64 << 20)
    disk = cloud.folder / "disk"
    disk.write_bytes(content := random.Random(1).randbytes(SIZE_BYTES))
    point = cloud.done("backup", "disk", "--workload", "w", "--keep", "30d")
    refused = cloud.image("delete", point["restore_point"], "--yes")
    assert refused.status == 7
    assert f"is kept until {point['keep_until']}" in refused.err

    renewed = cloud.repo("renew-locks", "--output", "json").document
    assert 0 < renewed["extended"] < renewed["objects"]
    assert renewed["latest_promise"] == point["keep_until"]
    collected = cloud.repo("collect-garbage", "--output", "json").document
    assert (collected["deleted_packs"], collected["locked_packs"]) == (0, 0)

    _deleted, hidden = attack(s3, "locked")
    assert hidden > 5
    assert "Contents" not in s3.list_objects_v2(Bucket="locked")
    cloud.done("restore", point["restore_point"], "--to", "back")
    assert (cloud.folder / "back").read_bytes() == content
    told = cloud.repo("show", "--output", "json")
    assert told.document["locks_renewed"] is not None
    assert (told.status, cloud.repo("check").status) == (3, 6)
    assert f"delete markers stand over {hidden} objects" in told.err
    repaired = cloud.repo("repair", "--output", "json")
    assert (repaired.status, len(repaired.document["reinstated"])) == (0, hidden)
    assert (cloud.repo("show").status, cloud.repo("check").status) == (0, 0)


@pytest.mark.parametrize("default_retention", [False, True])
def test_a_bucket_that_does_not_fit_is_refused(cloud, s3, default_retention):
    bucket = f"unfit-{default_retention}".lower()
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=default_retention)
    if default_retention:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)
    refused = cloud.run("repository", "init", f"s3://{bucket}/p", "--password-file", cloud.password_file, "--immutable")
    assert refused.status == 2
    assert "cannot hold an immutable repository" in refused.err


def test_the_lab_shortens_no_lock(s3):
    """moto does."""
    s3.create_bucket(Bucket="short", ObjectLockEnabledForBucket=True)
    until = "2099-01-01T00:00:00Z"
    s3.put_object(Bucket="short", Key="k", Body=b"1", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    for key, code in (("k", "AccessDenied"), ("missing", "NoSuchKey")):
        lock = {"Mode": "COMPLIANCE", "RetainUntilDate": "2098-01-01T00:00:00Z"}
        with pytest.raises(ClientError) as refused:
            s3.put_object_retention(Bucket="short", Key=key, Retention=lock)
        assert refused.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="future"):
        s3.put_object(
            Bucket="short", Key="old", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate="2001-01-01T00:00:00Z"
        )


def test_locks_end_on_the_labs_clock(s3, endpoint):
    s3.create_bucket(Bucket="ends", ObjectLockEnabledForBucket=True)
    until = datetime.now(UTC) + timedelta(days=3)
    made = s3.put_object(
        Bucket="ends", Key="k", Body=b"1", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )
    version = {"Bucket": "ends", "Key": "k", "VersionId": made["VersionId"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**version)
    body = json.dumps({"advance_seconds": 4 * 86400}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_lab/clock", body), timeout=60).close()
    with pytest.raises(ClientError, match="future"):
        s3.put_object(Bucket="ends", Key="l", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    s3.delete_object(**version)
    assert "Versions" not in s3.list_object_versions(Bucket="ends")
