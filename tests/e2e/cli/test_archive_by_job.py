"""What lies in GLACIER, retrieved by one job of S3 Batch Operations in the lab: sooner, and one by one where not."""

import json
import random
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.e2e.cli.conftest import Holdfast
from tests.labs import start_lab

BUCKET, ACCOUNT = "archive", "123456789012"
SIZE_BYTES = 3 * 512 * 1024
TRUST = {"Effect": "Allow", "Principal": {"Service": "batchoperations.s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
LISTS = f"arn:aws:s3:::{BUCKET}/*/sessions/*/retrieval"
PACKS = f"arn:aws:s3:::{BUCKET}/*/packs/*"


def document(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def may(action: str, resource: str) -> dict[str, str]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with start_lab() as lab:
        client(lab.endpoint, "s3").create_bucket(Bucket=BUCKET)
        yield lab.endpoint


def client(endpoint: str, service: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1")


def role(endpoint: str, name: str, *statements: object) -> str:
    """Under which S3 retrieves."""
    iam = client(endpoint, "iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="retrieval", PolicyDocument=document(*statements))
    return str(arn)


def advance(endpoint: str, seconds: float) -> None:
    body = json.dumps({"advance_seconds": seconds}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_lab/clock", body), timeout=60).close()


def asked(endpoint: str) -> tuple[int, int]:
    """Jobs that were created, and objects that were asked for one by one."""
    with urllib.request.urlopen(f"{endpoint}/_lab/requests", timeout=60) as answer:
        requests = json.load(answer)
    jobs = sum(count for name, count in requests.get("s3control", {}).items() if name.startswith("POST"))
    return jobs, requests["s3"].get("RESTORE POST", 0)


def lists(endpoint: str) -> list[str]:
    found = client(endpoint, "s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return [one["Key"] for one in found if one["Key"].endswith("/retrieval")]


@pytest.fixture
def archived(holdfast: Holdfast, endpoint: str, request: pytest.FixtureRequest) -> Holdfast:
    """With a backup of `disk` in GLACIER."""
    holdfast.environment["AWS_ENDPOINT_URL"] = endpoint
    place = f"s3://{BUCKET}/{request.node.name}"
    holdfast.repository = f"{place}?class=archive&storage_class=GLACIER"
    holdfast.init()
    holdfast.repository = place
    (holdfast.folder / "disk").write_bytes(random.Random(1).randbytes(SIZE_BYTES))
    holdfast.done("backup", "disk", "--workload", "w")
    return holdfast


ORDER = ("restore", "latest:w", "--to", "out", "--retrieval-tier", "accelerated")


def test_one_job_asks_for_all_and_is_half_an_hour_away(archived, endpoint):
    archived.environment["HOLDFAST_RETRIEVAL_ROLE"] = role(
        endpoint, "retrieves", may("s3:GetObject", LISTS), may("s3:RestoreObject", PACKS)
    )
    plan = archived.done("restore", "latest:w", "--plan")
    offers = {one["tier"]: one for one in plan["offers"]}
    assert list(offers) == ["expedited", "accelerated", "standard", "bulk"]
    assert offers["standard"]["usd"] + 0.25 == pytest.approx(offers["accelerated"]["usd"], abs=0.001)
    before = asked(endpoint)

    begun = archived.image(*ORDER, "--no-wait", "--output", "json")
    assert (begun.status, begun.document["under_way_packs"]) == (8, 1), begun.err
    assert "accelerated" in begun.err
    assert asked(endpoint) == (before[0] + 1, before[1])
    assert len(lists(endpoint)) == 1

    advance(endpoint, 61)
    again = archived.image(*ORDER, "--no-wait", "--output", "json")
    assert (again.status, again.document["under_way_packs"]) == (8, 1)
    assert asked(endpoint) == (before[0] + 1, before[1])
    advance(endpoint, 30 * 60)
    archived.done("restore", "latest:w", "--to", "out")
    assert (archived.folder / "out").read_bytes() == (archived.folder / "disk").read_bytes()


@pytest.mark.parametrize(
    ("rights", "why"),
    [
        (may("s3:RestoreObject", PACKS), "may not read the list"),
        (may("s3:GetObject", LISTS), "1 objects were refused"),
        (None, "nobody has named a role"),
    ],
    ids=["no-list", "no-packs", "no-role"],
)
def test_what_a_job_does_not_ask_for_is_asked_for_one_by_one(archived, endpoint, rights, why, request):
    if rights is not None:
        archived.environment["HOLDFAST_RETRIEVAL_ROLE"] = role(endpoint, rights["Action"].replace(":", "-"), rights)
    jobs, alone = asked(endpoint)
    waiting = archived.start("image", *ORDER, *archived.opening, "--repository", archived.repository)
    try:
        for _ in range(200):
            if asked(endpoint)[1] > alone:
                break
            advance(endpoint, 61)
            time.sleep(0.5)
        advance(endpoint, 5 * 3600)
        _, told = waiting.communicate(timeout=120)
    finally:
        waiting.kill()
    words = told.decode()
    assert waiting.returncode == 0, words
    assert why in words
    assert asked(endpoint) == (jobs + (rights is not None), alone + 1)
    assert not [key for key in lists(endpoint) if request.node.name in key]
    assert (archived.folder / "out").read_bytes() == (archived.folder / "disk").read_bytes()


def test_a_role_that_is_none_is_refused_before_anything_is_asked_for(archived, endpoint):
    before = asked(endpoint)
    archived.environment["HOLDFAST_RETRIEVAL_ROLE"] = "batch"
    assert "'batch' is no role" in archived.image(*ORDER).failed(2)
    assert asked(endpoint) == before
