"""What goes wrong on request, as a client meets it."""

import http.client
import itertools
import time
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, IncompleteReadError, ResponseStreamingError

from tests.e2e.lab.account import Account, block


@pytest.fixture
def account(own_account):
    yield own_account
    own_account.faults("")


@pytest.fixture(scope="module")
def bucket(own_account):
    own_account.s3.create_bucket(Bucket="faults")
    return "faults"


def outcome(ask):
    try:
        ask()
    except ClientError as error:
        return str(error.response["Error"]["Code"]), error.response["ResponseMetadata"]["HTTPStatusCode"]
    except ConnectionClosedError:
        return "closed"
    return "done"


def asks(account: Account, bucket: str):
    return {
        "ebs": lambda: account.ebs.start_snapshot(VolumeSize=1),
        "ec2": lambda: account.ec2.describe_volumes(),
        "s3": lambda: account.s3.list_objects_v2(Bucket=bucket),
        "kms": lambda: account.client("kms").list_keys(),
    }


def test_each_service_says_that_it_throttles_in_its_own_words(account, bucket):
    account.faults("*:throttle=1")
    assert {service: outcome(ask) for service, ask in asks(account, bucket).items()} == {
        "ebs": ("RequestThrottledException", 400),
        "ec2": ("RequestLimitExceeded", 503),
        "s3": ("SlowDown", 503),
        "kms": ("ThrottlingException", 400),
    }


def test_each_service_fails_in_its_own_words(account, bucket):
    account.faults("*:error=1")
    assert {service: outcome(ask) for service, ask in asks(account, bucket).items()} == {
        "ebs": ("InternalServerException", 500),
        "ec2": ("InternalError", 500),
        "s3": ("InternalError", 500),
        "kms": ("InternalFailure", 500),
    }


def test_faults_hit_the_service_they_name(account, bucket):
    account.faults("s3:error=1")
    assert outcome(asks(account, bucket)["ec2"]) == "done"


def test_write_whose_connection_is_cut_is_not_done(account, bucket):
    account.faults("s3:cut=1")
    assert outcome(lambda: account.s3.put_object(Bucket=bucket, Key="cut", Body=b"x" * 100_000)) == "closed"
    account.faults("")
    assert outcome(lambda: account.s3.head_object(Bucket=bucket, Key="cut")) == ("404", 404)


def test_write_whose_answer_is_lost_is_done(account, bucket):
    account.faults("s3:lost=1")
    assert outcome(lambda: account.s3.put_object(Bucket=bucket, Key="lost", Body=b"x")) == "closed"
    account.faults("")
    assert account.s3.get_object(Bucket=bucket, Key="lost")["Body"].read() == b"x"


def test_lost_answer_to_a_start_leaves_a_snapshot(account):
    account.faults("ebs:lost=1")
    assert outcome(lambda: account.ebs.start_snapshot(VolumeSize=1, Description="lost")) == "closed"
    account.faults("")
    found = account.ec2.describe_snapshots(Filters=[{"Name": "description", "Values": ["lost"]}])["Snapshots"]
    assert len(found) == 1


def test_read_that_is_cut_ends_in_the_middle(account):
    snapshot_id = account.snapshot_of({1: block(1)})
    token = account.listed(snapshot_id)[1]
    account.faults("ebs:cut=1")
    answer = account.ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=1, BlockToken=token)
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        answer["BlockData"].read()


def test_slow_service_takes_its_time(account, bucket):
    account.faults("s3:slow=300ms")
    began_seconds = time.monotonic()
    assert outcome(asks(account, bucket)["s3"]) == "done"
    assert time.monotonic() - began_seconds >= 0.3


def test_same_requests_meet_the_same_faults(account, bucket):
    def pattern(seed):
        account.faults(f"s3:error=0.5,seed={seed}")
        names = itertools.product("ab", range(20))
        return [outcome(lambda n=n: account.s3.head_object(Bucket=bucket, Key=f"{n}")) for n in names]

    first = pattern(7)
    assert pattern(7) == first
    assert pattern(8) != first
    assert 5 < sum(found == ("500", 500) for found in first) < 35


def test_lab_itself_is_spared(account):
    account.faults("*:cut=1,*:slow=1s")
    assert account.lab("health") == {"status": "ok"}


def test_bad_spec_is_refused_with_the_grammar(own_account):
    address = urlsplit(own_account.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("PUT", "/_lab/faults", b'{"spec": "s3:explode=1"}')
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"throttle, error, cut or lost" in answer.read()
    connection.close()
