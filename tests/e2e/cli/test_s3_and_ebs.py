"""The same program against an unmodified moto server: S3 repositories, EBS snapshots written by plain boto3, KMS."""

import base64
import hashlib
import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from holdfast.testing.server_processes import moto_server
from tests.e2e.cli.conftest import patterned

BLOCK_BYTES = 512 * 1024
GIB = 1024**3


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def cloud(holdfast, moto_url, request):
    """A runner whose AWS is the moto server and nothing else, with a bucket of its own."""
    holdfast.environment["AWS_ENDPOINT_URL"] = moto_url
    bucket = f"bucket-{abs(hash(request.node.name)):x}"
    client("s3", moto_url).create_bucket(Bucket=bucket)
    holdfast.repository = f"s3://{bucket}/some/prefix"
    return holdfast


def client(service, url):
    return boto3.client(service, endpoint_url=url, region_name="us-east-1")


def plain_snapshot(url, blocks, parent=None):
    """An EBS snapshot of 1 GiB that boto3 writes, without any code of ours."""
    ebs = client("ebs", url)
    snapshot = ebs.start_snapshot(VolumeSize=1, **({"ParentSnapshotId": parent} if parent else {}))["SnapshotId"]
    for number, block in blocks.items():
        ebs.put_snapshot_block(
            SnapshotId=snapshot,
            BlockIndex=number,
            BlockData=block,
            DataLength=len(block),
            Checksum=base64.b64encode(hashlib.sha256(block).digest()).decode(),
            ChecksumAlgorithm="SHA256",
        )
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=len(blocks))
    return snapshot


def raw_sha256(blocks):
    digest = hashlib.sha256()
    for number in range(GIB // BLOCK_BYTES):
        digest.update(blocks.get(number, bytes(BLOCK_BYTES)))
    return digest.hexdigest()


def test_story_in_a_bucket(cloud, moto_url):
    cloud.init()
    disk = cloud.folder / "disk"
    disk.write_bytes(first := patterned([1, None, 2], b"tail"))
    full = cloud.done("backup", "disk", "--workload", "w")
    assert full["requests"]["put"] >= 5
    disk.write_bytes(second := patterned([1, 3, 2], b"tail"))
    assert cloud.done("backup", "disk", "--workload", "w")["method"] == "compared"
    for point, content in ((full["restore_point"], first), ("latest:w", second)):
        assert cloud.done("restore", point, "--to", "out", "--force")["sha256"] == hashlib.sha256(content).hexdigest()
    assert cloud.check("--read-data")["restore_points"] == 2
    cloud.done("delete", full["restore_point"], "--yes")
    assert cloud.repo("stats", "--output", "json").document["restore_points"] == 1
    bucket = cloud.repository.split("/")[2]
    objects = client("s3", moto_url).list_objects_v2(Bucket=bucket)["Contents"]
    assert all(one["Key"].startswith("some/prefix/") for one in objects)


def test_snapshot_written_by_plain_boto3_goes_in_and_comes_back(cloud, moto_url):
    noise = random.Random(7)
    blocks = {number: noise.randbytes(BLOCK_BYTES) for number in (0, 5, 6, 700, GIB // BLOCK_BYTES - 1)}
    snapshot = plain_snapshot(moto_url, blocks)
    cloud.init()
    stored = cloud.done("backup", f"ebs:{snapshot}", "--workload", "web")
    assert (stored["size_bytes"], stored["read_bytes"]) == (GIB, len(blocks) * BLOCK_BYTES)
    assert cloud.done("show", "latest:web")["volumes"][0]["source"]["snapshot"] == snapshot
    assert cloud.done("restore", "latest:web", "--to", "disk")["sha256"] == raw_sha256(blocks)

    restored = cloud.done("restore", "latest:web", "--to", "ebs:?region=us-east-1&description=a%20test")
    assert restored["sha256"] is None
    ebs, ec2 = client("ebs", moto_url), client("ec2", moto_url)
    listed = ebs.list_snapshot_blocks(SnapshotId=restored["snapshot_id"])["Blocks"]
    read = {
        block["BlockIndex"]: ebs.get_snapshot_block(
            SnapshotId=restored["snapshot_id"], BlockIndex=block["BlockIndex"], BlockToken=block["BlockToken"]
        )["BlockData"].read()
        for block in listed
    }
    assert read == blocks
    (described,) = ec2.describe_snapshots(SnapshotIds=[restored["snapshot_id"]])["Snapshots"]
    assert described["Description"] == "a test"
    tags = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
    assert tags == {"holdfast:restore-point": stored["restore_point"], "holdfast:workload": "web"}

    s3, bucket = client("s3", moto_url), cloud.repository.split("/")[2]
    packs = [pack["pack"] for pack in cloud.done("show", "latest:web")["packs"] if pack["holds"] == "data"]
    for pack in packs:
        s3.delete_object(Bucket=bucket, Key=f"some/prefix/packs/{pack[:2]}/{pack}")
    repairing = ("repair", "--source", f"ebs:{snapshot}", "--restore-point", "latest:web", "--output", "json")
    healed = cloud.repo(*repairing)
    assert healed.status == 0, healed.err
    assert sum(pack["healed_chunks"] for pack in healed.document["packs"]) == len(blocks)
    assert cloud.done("restore", "latest:web", "--to", "disk", "--force")["sha256"] == raw_sha256(blocks)


def test_missing_bucket(holdfast, moto_url):
    holdfast.environment["AWS_ENDPOINT_URL"] = moto_url
    holdfast.repository = "s3://nobody-made-this-bucket/p"
    assert "nobody-made-this-bucket" in holdfast.image("list").failed(4)
    holdfast.run("repository", "init", holdfast.repository, "--password-file", holdfast.password_file).failed(4)


def test_no_credentials(cloud):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del cloud.environment[name]
    cloud.image("list").failed(5)


def test_unreachable_endpoint(holdfast):
    """A person is told within seconds, once, and nothing that is secret."""
    holdfast.repository = "s3://bucket/p?endpoint=http://127.0.0.1:9&path_style=true"
    random.seed(0)  # of a hundred draws of its pauses one is over too soon to be told of
    said = holdfast.image("list").failed(1)
    note, *error = said.splitlines()
    assert note.startswith("note: GET request to http://127.0.0.1:9 failed, which is tried again: ")
    assert error[0].startswith("error: GET request to http://127.0.0.1:9 failed [unavailable]")
    assert len(error) == 3
    assert not any(secret in said for secret in (holdfast.environment["AWS_SECRET_ACCESS_KEY"], "Signature"))


def test_an_endpoint_with_a_password_in_it(holdfast):
    holdfast.repository = "s3://bucket/p"
    environment = {"AWS_ENDPOINT_URL": "http://user:word@127.0.0.1:9"}
    assert "user:word" not in holdfast.run("image", "list", *holdfast.opening, environment=environment).failed(2)


class Forbidding(BaseHTTPRequestHandler):
    """An S3 that lets nobody in."""

    def answer(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = answer

    def log_message(self, format, *arguments) -> None:
        """Quiet."""


def test_no_permission(holdfast):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        holdfast.repository = f"s3://bucket/p?endpoint={endpoint}&path_style=true"
        assert "s3:" in holdfast.image("list").failed(5)
    finally:
        server.shutdown()
        server.server_close()


def test_key_service_opens_without_a_password(cloud, moto_url):
    key = client("kms", moto_url).create_key()["KeyMetadata"]["KeyId"]
    made = cloud.run("repository", "init", cloud.repository, "--kms-key", key, "--output", "json")
    assert made.status == 0, made.err
    shown = cloud.run("repository", "show", cloud.repository, "--output", "json")
    assert shown.document["repository"] == made.document["repository"]
    slots = cloud.run("repository", "key", "list", cloud.repository, "--output", "json").document["key_slots"]
    assert {slot["kind"]: slot["kms_key"] for slot in slots} == {"kms": key, "recovery": None}

    tried = cloud.run("repository", "key", "drill", cloud.repository, "--kms", "--output", "json").document
    assert (tried["kind"], tried["restore_point"]) == ("kms", None)
    added = cloud.run("repository", "key", "add", cloud.repository, "--new-password-file", cloud.password_file)
    assert added.status == 0, added.err
    assert cloud.repo("show").status == 0
    second = client("kms", moto_url).create_key()["KeyMetadata"]["Arn"]
    words = ["repository", "key", "add", cloud.repository, "--kms-key", second, "--password-file", cloud.password_file]
    assert json.loads(cloud.run(*words, "--output", "json").out)["kms_key"] == second
    cloud.run("repository", "init", cloud.repository + "2", "--kms-key", "alias/none").failed(4)


def test_a_directory_is_copied_into_a_bucket_and_back(cloud):
    bucket, cloud.repository = cloud.repository, str(cloud.folder / "directory")
    password = ("--password-file", cloud.password_file)
    assert cloud.run("repository", "init", bucket, *password).status == 0
    cloud.init()
    (cloud.folder / "disk").write_bytes(patterned([1, 2, 3], b"end"))
    point = cloud.done("backup", "disk", "--workload", "w")["restore_point"]
    passwords = (*password, "--to-password-file", cloud.password_file, "--output", "json")
    there = cloud.run("repository", "copy", cloud.repository, bucket, *passwords)
    assert there.status == 0, there.err
    back = cloud.run("repository", "copy", bucket, cloud.repository, *passwords)
    assert [len(back.document[name]) for name in ("copied", "skipped")] == [0, 1]
    cloud.done("delete", point, "--yes")
    back = cloud.run("repository", "copy", bucket, cloud.repository, *passwords)
    assert back.document["copied"][0]["restore_point"] == there.document["copied"][0]["copy"]
    cloud.done("restore", "latest:w", "--to", "out")
    assert (cloud.folder / "out").read_bytes() == (cloud.folder / "disk").read_bytes()
