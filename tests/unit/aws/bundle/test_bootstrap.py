"""The program that user data carries, step by step against a small cloud."""

import tarfile

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from holdfast.aws.bundle import bootstrap
from tests.unit.aws.bundle.small_cloud import small_bundle, small_cloud


@pytest.fixture
def cloud(monkeypatch):
    with small_cloud() as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.url)
        monkeypatch.setattr(bootstrap, "FIRST_DELAY_SECONDS", 0.0)
        yield cloud


def order(cloud, **changes):
    return {"bucket": "bundles-1", "key": "bundles/1/x.tar.gz", "sha256": cloud.sha256, "region": "eu-west-1"} | changes


def fetch(cloud, path, **changes):
    bootstrap.patiently(
        lambda: bootstrap.fetch(order(cloud, **changes), bootstrap.role_credentials(), str(path)),
        bootstrap.PATIENCE_SECONDS,
    )


def test_bundle_arrives_with_a_session_token(cloud, tmp_path):
    fetch(cloud, tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == cloud.bundle
    assert cloud.asked[0] == ("PUT", "/latest/api/token")
    assert "Credential=ASIA1/" in cloud.authorizations[0]


def test_service_without_session_tokens_is_refused(cloud, tmp_path):
    cloud.token_status = 404
    with pytest.raises(bootstrap.BootError, match="IMDSv2"):
        fetch(cloud, tmp_path / "archive")
    assert [method for method, _ in cloud.asked] == ["PUT"]


def test_role_that_is_not_known_yet_is_waited_for(cloud, tmp_path):
    cloud.no_role_times = 2
    cloud.refusals = [403, 403, 503]
    fetch(cloud, tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == cloud.bundle
    assert len(cloud.authorizations) == 4


def test_patience_ends(cloud, tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "FIRST_DELAY_SECONDS", 1.0)
    cloud.refusals = [403]
    with pytest.raises(bootstrap.BootError, match="given up after 0 s"):
        bootstrap.patiently(
            lambda: bootstrap.fetch(order(cloud), bootstrap.role_credentials(), str(tmp_path / "a")), 0.5
        )


def test_object_that_is_not_there_is_not_waited_for(cloud, tmp_path):
    cloud.refusals = [404]
    with pytest.raises(bootstrap.BootError, match="HTTP 404"):
        fetch(cloud, tmp_path / "archive")


def test_other_content_is_refused(cloud, tmp_path):
    with pytest.raises(bootstrap.BootError, match="is not the bundle ordered"):
        fetch(cloud, tmp_path / "archive", sha256="0" * 64)


def test_body_that_was_cut_is_fetched_again(cloud, tmp_path):
    cloud.cut_bytes = 10
    fetch(cloud, tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == cloud.bundle


@pytest.mark.parametrize("url", ["https://b-1.s3.eu-west-1.amazonaws.com/bundles/1/x-1_2.tar.gz", "http://h:1/b/a%2Bb"])
def test_signature_is_the_one_that_botocore_makes(url, monkeypatch):
    moment = "20260102T030405Z"
    headers = bootstrap.signed(url, "eu-west-1", {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T"}, moment)
    signer = S3SigV4Auth(Credentials("A", "S", "T"), "s3", "eu-west-1")
    request = AWSRequest("GET", url, headers={name: headers[name] for name in ("host", "x-amz-content-sha256")})
    request.headers["X-Amz-Date"] = moment
    request.headers["X-Amz-Security-Token"] = "T"
    request.context["timestamp"] = moment
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert headers["authorization"].endswith(f"Signature={expected}")


def unpacked(tmp_path, bundle):
    archive = tmp_path / "archive"
    archive.write_bytes(bundle)
    bootstrap.unpack(str(archive), str(tmp_path / "holdfast"), "f" * 64)
    return tmp_path / "holdfast"


def test_unpacked_once_and_remembered(tmp_path):
    folder = unpacked(tmp_path, small_bundle())
    assert (folder / "site-packages/holdfast/cli/main.py").exists()
    assert bootstrap.is_unpacked(str(folder), "f" * 64)
    assert not bootstrap.is_unpacked(str(folder), "e" * 64)
    assert not bootstrap.is_unpacked(str(tmp_path / "none"), "f" * 64)


def test_newer_bundle_replaces_the_older(tmp_path):
    folder = unpacked(tmp_path, small_bundle())
    (folder / "site-packages" / "left.py").write_text("")
    unpacked(tmp_path, small_bundle())
    assert not (folder / "site-packages" / "left.py").exists()


@pytest.mark.parametrize(("python", "architecture"), [("cp39", ""), ("", "riscv64")])
def test_bundle_for_another_machine_is_refused(python, architecture, tmp_path):
    with pytest.raises(bootstrap.BootError, match="the bundle is for"):
        unpacked(tmp_path, small_bundle(python, architecture))
    assert not (tmp_path / "holdfast").exists()


@pytest.mark.parametrize("name", ["site-packages/../../x", "/etc/x", "other/x", "site-packages//x"])
def test_name_outside_is_refused(name, tmp_path):
    with pytest.raises(bootstrap.BootError, match="has no place"):
        unpacked(tmp_path, small_bundle(extra={name: tarfile.TarInfo(name)}))
    assert not (tmp_path / "holdfast").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_only_plain_files_are_taken(kind, tmp_path):
    entry = tarfile.TarInfo("site-packages/x")
    entry.type = kind
    entry.linkname = "/etc/passwd"
    with pytest.raises(bootstrap.BootError, match="has no place"):
        unpacked(tmp_path, small_bundle(extra={"x": entry}))


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-west-1", "b.s3.eu-west-1.amazonaws.com"), ("cn-north-1", "b.s3.cn-north-1.amazonaws.com.cn")],
)
def test_without_an_endpoint_it_is_aws(region, host, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert bootstrap.object_url("b", "k/x.gz", region) == f"https://{host}/k/x.gz"
