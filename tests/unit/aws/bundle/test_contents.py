"""What belongs into a bundle, decided without making one."""

import ast
import sys
from importlib import metadata

import pytest
from botocore.session import Session

from holdfast.aws.bundle.contents import SERVICES, is_kept
from holdfast.aws.bundle.distributions import installed_files, required_distributions
from holdfast.domain.errors import MissingExtraError
from holdfast.domain.extras import how_to_install
from tests.house.tree import SOURCE, syntax_tree

MAKERS = {"PatientClient", "client", "create_client"}


@pytest.mark.parametrize(
    "name",
    [
        "holdfast/cli/main.py",
        "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so",
        "pycurl.libs/libcurl-1.so.4",
        "certifi/cacert.pem",
        "botocore/data/endpoints.json",
        "botocore/data/sqs/2012-11-05/service-2.json.gz",
        "boto3-1.0.dist-info/METADATA",
        "boto3-1.0.dist-info/licenses/LICENSE",
    ],
)
def test_what_runs_is_kept(name):
    assert is_kept(name, "worker")


@pytest.mark.parametrize(
    "name",
    [
        "numpy/_core/tests/test_api.py",
        "holdfast/__pycache__/main.cpython-311.pyc",
        "numpy/__init__.pyi",
        "numpy/_core/include/numpy/ndarraytypes.h",
        "distutils-precedence.pth",
        "botocore/data/athena/2017-05-18/service-2.json.gz",
        "boto3/examples/s3.rst",
        "holdfast-1.0.dist-info/direct_url.json",
        "holdfast-1.0.dist-info/RECORD",
    ],
)
def test_what_developers_need_is_not(name):
    assert not is_kept(name, "worker")


def test_an_appliance_may_ask_more_services():
    assert is_kept("botocore/data/rds/2014-10-31/service-2.json.gz", "appliance")
    assert not is_kept("botocore/data/rds/2014-10-31/service-2.json.gz", "worker")


def asked_services():
    """Every service that some adapter makes a client of, by the text in the call."""
    found = set()
    for path in (*(SOURCE / "aws").rglob("*.py"), *(SOURCE / "repository" / "stores" / "s3").rglob("*.py")):
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in MAKERS:
                texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str)}
    return found


def test_every_service_that_is_asked_has_its_description():
    known = set(Session().get_available_services())
    assert known >= SERVICES["worker"] | SERVICES["appliance"]
    assert {"s3", "ebs", "sqs", "kms", "sts"} <= asked_services()
    assert asked_services() & known <= SERVICES["appliance"]
    assert SERVICES["worker"] <= SERVICES["appliance"]


def names(extras):
    return {distribution.name.lower() for distribution in required_distributions("holdfast", frozenset(extras))}


def test_requirements_are_followed_with_their_markers():
    plain = names([])
    assert {"holdfast", "boto3", "botocore", "s3transfer", "urllib3", "cryptography", "cffi", "pycparser"} <= plain
    assert "colorama" not in plain, "it is required on Windows alone"
    assert not {"dbos", "sqlalchemy", "pytest", "moto", "mypy"} & plain
    assert {"dbos", "sqlalchemy", "uvicorn"} <= names(["appliance"])


def test_what_is_not_installed_is_named():
    with pytest.raises(MissingExtraError, match="no-such-distribution") as caught:
        required_distributions("no-such-distribution", frozenset())
    assert caught.value.cure == how_to_install("appliance", sys.executable)


def test_an_editable_installation_gives_its_packages():
    files = {file.name for file in installed_files(metadata.distribution("holdfast"))}
    assert "holdfast/aws/bundle/bootstrap.py" in files
    assert any(name.endswith(".dist-info/METADATA") for name in files)
    assert not [name for name in files if name.startswith((".", "/", "src/"))]
