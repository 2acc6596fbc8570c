"""An archive as a person has it, in the lab's S3 and on its clock: refused, planned, retrieved, restored."""

import hashlib
import json
import random
import urllib.request
from collections.abc import Iterator

import boto3
import pytest

from tests.e2e.cli.conftest import Holdfast
from tests.labs import start_lab

BUCKET = "archive"
SIZE_BYTES = 3 * 512 * 1024


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with start_lab() as lab:
        boto3.client("s3", endpoint_url=lab.endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield lab.endpoint


@pytest.fixture
def cloud(holdfast: Holdfast, endpoint: str) -> Holdfast:
    holdfast.environment["AWS_ENDPOINT_URL"] = endpoint
    return holdfast


def advance(endpoint: str, seconds: float) -> None:
    body = json.dumps({"advance_seconds": seconds}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_lab/clock", body), timeout=60).close()


def retrievals(endpoint: str) -> int:
    with urllib.request.urlopen(f"{endpoint}/_lab/requests", timeout=60) as answer:
        return json.load(answer)["s3"].get("RESTORE POST", 0)


def test_an_archive_is_restored_from(cloud, endpoint):
    place = f"s3://{BUCKET}/p"
    cloud.repository = f"{place}?class=archive&storage_class=DEEP_ARCHIVE"
    cloud.init()
    cloud.repository = place  # what it is, it knows
    shown = cloud.repo("show", "--output", "json").document
    assert (shown["class"], shown["storage_class"], shown["pack_size_bytes"]) == ("archive", "DEEP_ARCHIVE", 64 << 20)
    disk = cloud.folder / "disk"
    disk.write_bytes(first := random.Random(1).randbytes(SIZE_BYTES))
    older = cloud.done("backup", "disk", "--workload", "w")["restore_point"]
    disk.write_bytes(first[: SIZE_BYTES // 2] + random.Random(2).randbytes(SIZE_BYTES // 2))
    cloud.done("backup", "disk", "--workload", "w")
    assert [point["workload"] for point in cloud.done("list")["restore_points"]] == ["w", "w"]

    plan = cloud.done("restore", older, "--plan")
    assert (plan["archived_packs"], plan["cold_packs"], plan["readable_packs"]) == (1, 1, 0)
    assert SIZE_BYTES < plan["archived_bytes"] < SIZE_BYTES + 4096
    assert [offer["tier"] for offer in plan["offers"]] == ["standard", "bulk"]
    assert cloud.done("restore", "latest:w", "--plan")["cold_packs"] == 2
    assert retrievals(endpoint) == 0

    refused = cloud.image("restore", older, "--to", "out", "--output", "json")
    assert (refused.status, refused.document["archived_packs"]) == (8, 1)
    assert "--retrieval-tier standard|bulk" in refused.err
    assert retrievals(endpoint) == 0
    asked = cloud.image(
        "restore", older, "--to", "out", "--retrieval-tier", "standard", "--no-wait", "--output", "json"
    )
    assert (asked.status, asked.document["under_way_packs"]) == (8, 1)
    again = cloud.image("restore", older, "--to", "out", "--retrieval-tier", "standard", "--no-wait")
    assert (again.status, retrievals(endpoint)) == (8, 1)

    advance(endpoint, 12 * 3600)
    restored = cloud.done("restore", older, "--to", "out")
    assert restored["sha256"] == hashlib.sha256(first).hexdigest()
    assert (cloud.folder / "out").read_bytes() == first
    assert cloud.done("verify", older)["size_bytes"] == SIZE_BYTES
    soon = cloud.done("restore", older, "--plan")["readable_until"]
    longer = ("--retrieval-tier", "bulk", "--retrieval-days", "20")
    assert "--retrieval-tier" in cloud.image("verify", older, *longer[2:]).failed(2)
    assert cloud.done("verify", older, *longer)["size_bytes"] == SIZE_BYTES
    assert cloud.done("restore", older, "--plan")["readable_until"] > soon
    assert retrievals(endpoint) == 2
    assert cloud.image("verify", "latest:w").status == 8
    checked = cloud.check("--read-data")
    assert (checked["packs_cold"], retrievals(endpoint)) == (1, 2)
    scrubbed = cloud.run("repository", "scrub", place, "--output", "json")
    assert (scrubbed.status, scrubbed.document["packs_cold"]) == (0, 1)


def test_a_class_is_for_ever_and_no_tier_is_made_up(cloud, endpoint):
    place = f"s3://{BUCKET}/q"
    cloud.repository = place
    cloud.init()
    cloud.repository = f"{place}?class=archive&storage_class=GLACIER"
    assert "class standard" in cloud.image("list").failed(7)
    cloud.repository = f"s3://{BUCKET}/r?class=archive&storage_class=DEEP_ARCHIVE"
    cloud.init()
    (cloud.folder / "disk").write_bytes(random.Random(3).randbytes(SIZE_BYTES))
    cloud.done("backup", "disk", "--workload", "w")
    before = retrievals(endpoint)
    cloud.image("restore", "latest:w", "--to", "out", "--retrieval-tier", "expedited").failed(2)
    assert retrievals(endpoint) == before
    assert not (cloud.folder / "out").exists()


def test_points_go_into_an_archive_and_out_of_it(cloud, endpoint):
    archive, folder = f"s3://{BUCKET}/s", str(cloud.folder / "other")
    cloud.init()
    (cloud.folder / "disk").write_bytes(content := random.Random(4).randbytes(SIZE_BYTES))
    cloud.done("backup", "disk", "--workload", "w")
    passwords = ["--password-file", cloud.password_file, "--to-password-file", cloud.password_file]
    opening = ["--password-file", cloud.password_file]
    place = f"{archive}?class=archive&storage_class=DEEP_ARCHIVE"
    assert cloud.run("repository", "init", place, *opening).status == 0
    assert cloud.run("repository", "init", folder, *opening).status == 0
    assert cloud.run("repository", "copy", cloud.repository, archive, *passwords).status == 0

    out = ["repository", "copy", archive, folder, *passwords, "--output", "json"]
    refused = cloud.run(*out)
    assert (refused.status, refused.document["archived_packs"]) == (8, 1)
    assert cloud.run(*out, "--retrieval-tier", "bulk", "--no-wait").status == 8
    advance(endpoint, 48 * 3600)
    done = cloud.run(*out)
    assert (done.status, len(done.document["copied"])) == (0, 1), done.err
    cloud.repository, cloud.key_file = folder, cloud.password_file
    assert cloud.done("restore", "latest:w", "--to", "out")["sha256"] == hashlib.sha256(content).hexdigest()
