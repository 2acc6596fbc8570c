"""Bundles, made of what is installed here and run by Pythons that have nothing installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.aws.bundle import bootstrap
from holdfast.aws.bundle.building import build_bundle, running_python

MIB = 1024 * 1024
AUDIT = """import importlib, json, sys
sys.path.append(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
from botocore.session import Session
from holdfast.aws.bundle.contents import SERVICES
kind = json.load(open(sys.argv[1] + "/../holdfast-bundle.json"))["kind"]
for service in SERVICES[kind]:
    Session().create_client(service, region_name="eu-west-1")
places = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
print(json.dumps({"places": places, "system": [place for place in sys.path if place != sys.argv[1]]}))
"""


IMPORTED = {
    "worker": ["holdfast.wiring.worker", "holdfast.cli.main", "holdfast.repository.stores.s3.store"],
    "appliance": [
        "holdfast.wiring.worker",
        "dbos",
        "sqlalchemy.dialects.sqlite",
        "alembic",
        "uvicorn",
        "fastapi",
        "httpx",
    ],
}


def bare_pythons():
    """The interpreter below this environment, and the distribution's own where it is of the same version."""
    found = [sys._base_executable]  # type: ignore[attr-defined]
    own = Path("/usr/bin/python3")
    if own.exists() and own.resolve() != Path(found[0]).resolve():
        tag = "import sys; print('cp%d%d' % sys.version_info[:2])"
        told = subprocess.run([own, "-I", "-c", tag], capture_output=True, text=True, check=True).stdout.strip()
        found += [str(own)] if told == running_python() else []
    return found


@pytest.fixture(scope="module", params=["worker", "appliance"])
def bundle(request, tmp_path_factory):
    return build_bundle(request.param, tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def unpacked(bundle, tmp_path_factory):
    place = tmp_path_factory.mktemp("home") / "holdfast"
    bootstrap.unpack(str(bundle.path), str(place), bundle.sha256)
    return place


def run_bare(python, *words):
    return subprocess.run([python, "-I", "-S", *words], env={}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("python", bare_pythons())
def test_holdfast_runs(unpacked, python):
    done = run_bare(python, str(unpacked / "run.py"), "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("holdfast ")


@pytest.mark.parametrize("python", bare_pythons())
def test_every_module_comes_from_the_bundle_or_the_standard_library(bundle, unpacked, python):
    packages = unpacked / "site-packages"
    done = run_bare(python, "-c", AUDIT, str(packages), *IMPORTED[bundle.kind])
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert not [place for place in answer["system"] if "-packages" in place]
    allowed = (f"{packages}/", *(f"{place}/" for place in answer["system"] if place))
    strays = {name: place for name, place in answer["places"].items() if place and not place.startswith(allowed)}
    assert not strays
    assert answer["places"]["holdfast"].startswith(f"{packages}/")


def test_it_is_small(bundle):
    assert bundle.size_bytes < {"worker": 45, "appliance": 60}[bundle.kind] * MIB


def test_it_says_what_it_is(bundle, unpacked):
    description = json.loads((unpacked / "holdfast-bundle.json").read_text())
    assert (description["kind"], description["python"]) == (bundle.kind, running_python())
    assert {"holdfast", "boto3", "numpy"} <= set(description["distributions"])
    assert bundle.key.startswith(f"bundles/{bundle.version}/{bundle.kind}-{bundle.architecture}-{bundle.python}-")
