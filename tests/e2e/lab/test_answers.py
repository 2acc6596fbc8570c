"""Whatever is asked, the answer is one that an SDK of AWS understands; and S3 as the product uses it."""

import http.client
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def bucket(account):
    account.s3.create_bucket(Bucket="answers")
    return "answers"


def connect(account):
    address = urlsplit(account.endpoint)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("ec2", "describe_scheduled_instances", {}),  # EC2's XML
        ("rds", "describe_account_attributes", {}),  # query XML
        ("sqs", "list_message_move_tasks", {"SourceArn": "a"}),  # JSON
        ("dax", "describe_events", {}),  # JSON
        ("braket", "search_jobs", {"filters": []}),  # a service that moto has not
        ("ebs", "start_snapshot", {"VolumeSize": 99_999}),  # the lab's own
    ],
)
def test_what_is_not_there_is_an_error_of_aws(account, service, operation, arguments):
    with pytest.raises(ClientError) as error:
        getattr(account.client(service), operation)(**arguments)
    answer = error.value.response
    assert answer["Error"]["Code"] in {"InvalidAction", "UnknownOperationException", "ValidationException"}
    assert answer["Error"]["Message"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("service", ["s3", "ec2", "ebs", "nothing", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/a/b/c?d", "/snapshots/snap-0/blocks/x", "/snapshots/x", "/%00"])
def test_no_request_gets_a_page_of_html(account, service, method, path):
    connection = connect(account)
    scope = f"AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host"
    connection.request(method, path, headers={"Authorization": f"{scope}, Signature=0"} if service else {})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status < 600
    assert "html" not in answer.headers.get("Content-Type", "") or answer.status == 200
    assert not body.lower().startswith(b"<!doctype html")
    connection.close()


def test_connection_is_kept_and_every_body_ends_where_it_should(account):
    connection = connect(account)
    connection.connect()
    socket = connection.sock
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/ebs/aws4_request"}
    for number in range(5):
        # The body is refused unread; the next request on the connection must not start with it.
        connection.request("PUT", f"/snapshots/snap-0/blocks/{number}", body=b"x" * MIB, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 400
        answer.read()
        connection.request("GET", "/_lab/health")
        assert connection.getresponse().read() == b'{"status": "ok"}'
    assert connection.sock is socket
    connection.close()


def test_body_in_chunks_is_understood(account, bucket):
    connection = connect(account)
    connection.request("PUT", f"/{bucket}/chunked", body=iter([b"a" * 1000, b"b" * 2000]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert account.s3.get_object(Bucket=bucket, Key="chunked")["Body"].read() == b"a" * 1000 + b"b" * 2000


def test_large_objects_and_ranges(account, bucket):
    data = os.urandom(16 * MIB)
    account.s3.put_object(Bucket=bucket, Key="pack", Body=data)
    assert account.s3.get_object(Bucket=bucket, Key="pack")["Body"].read() == data
    piece = account.s3.get_object(Bucket=bucket, Key="pack", Range="bytes=1000000-1999999")
    assert piece["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert piece["Body"].read() == data[1_000_000:2_000_000]


def test_continue_is_sent_before_any_of_the_body(account, bucket):
    """A server that holds back `100 Continue` costs every upload the second that clients wait for it."""
    host, port = account.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"PUT /{bucket}/continue HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "torn",
    ["Content-Length: 1000000\r\n\r\n" + "x" * 500_000, "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nab"],
)
def test_upload_that_breaks_off_leaves_no_object(account, bucket, torn):
    host, port = account.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"PUT /{bucket}/torn HTTP/1.1\r\nHost: x\r\n{torn}".encode())
        connection.shutdown(socket.SHUT_WR)
        connection.recv(100)
    with pytest.raises(ClientError) as error:
        account.s3.head_object(Bucket=bucket, Key="torn")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_second_writer_of_a_write_once_key_is_refused(account, bucket):
    account.s3.put_object(Bucket=bucket, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        account.s3.put_object(Bucket=bucket, Key="once", Body=b"second", IfNoneMatch="*")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert account.s3.get_object(Bucket=bucket, Key="once")["Body"].read() == b"first"


def test_head_of_a_missing_object(account, bucket):
    with pytest.raises(ClientError) as error:
        account.s3.head_object(Bucket=bucket, Key="missing")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_no_foreign_snapshots_and_no_foreign_images(account):
    assert account.ec2.describe_snapshots(Filters=[{"Name": "owner-id", "Values": ["801119661308"]}])["Snapshots"] == []
    assert account.ec2.describe_images(Owners=["amazon"])["Images"] == []


def test_requests_are_counted(account, bucket):
    def counts():
        return account.lab("requests")

    before = counts()["s3"].get("HEAD", 0)
    account.s3.head_bucket(Bucket=bucket)
    assert counts()["s3"]["HEAD"] == before + 1
    snapshots = counts()["ebs"].get("StartSnapshot", 0)
    account.ebs.start_snapshot(VolumeSize=1)
    assert counts()["ebs"]["StartSnapshot"] == snapshots + 1


def test_one_of_many_writers_of_a_write_once_key_wins(account, bucket):
    def put(key, writer):
        try:
            writer.put_object(Bucket=bucket, Key=key, Body=os.urandom(200_000), IfNoneMatch="*")
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return 200

    writers = [account.client("s3") for _ in range(6)]
    with ThreadPoolExecutor(len(writers)) as pool:
        for number in range(25):
            found = list(pool.map(partial(put, f"race-{number}"), writers))
            assert sorted(found) == [200] + [412] * 5


def test_object_can_be_read_while_it_is_overwritten(account, bucket):
    contents = [bytes([value]) * 300_000 for value in range(4)]
    account.s3.put_object(Bucket=bucket, Key="busy", Body=contents[0])
    clients = [account.client("s3") for _ in range(4)]

    def work(client, number):
        if number % 2:
            client.put_object(Bucket=bucket, Key="busy", Body=contents[number % 4])
            return True
        return client.get_object(Bucket=bucket, Key="busy")["Body"].read() in contents

    with ThreadPoolExecutor(len(clients)) as pool:
        assert all(pool.map(work, clients * 20, range(80)))
