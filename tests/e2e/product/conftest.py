"""A site whose server has the AWS plug-in, and one with an appliance; each once a module."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

import holdfast
from holdfast.aws.bundle.building import (
    Bundle,
    content_key,
    installed_contents,
    running_architecture,
    running_python,
)
from holdfast.lab.actors import REGION
from tests.e2e.product.site import WHOLE, Site

collect_ignore = [] if WHOLE else ["test_whole.py"]


@pytest.fixture(scope="module")
def bare_site(tmp_path_factory):
    """A lab and a server without plug-ins."""
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        made.start_server()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def site(bare_site):
    """With the AWS plug-in and its stack. Its bundles are made in a moment, and nothing could boot from them."""
    install_plugin(bare_site)
    return bare_site


@pytest.fixture(scope="module")
def patience():
    """What an appliance of the module is more patient, or less, about."""
    return {}


@pytest.fixture(scope="module")
def ready(site, patience):
    """With an appliance, an account and a repository."""
    add_appliance(site, **patience)
    return site


def add_appliance(site, **patience):
    """With an account and a repository."""
    site.people.make_bucket("backups")
    site.do("repository", "init", "s3://backups/main")
    site.appliance = site.start_appliance("north", **patience)
    site.connect("north", site.appliance)
    site.do("account", "add", "own")
    site.do("repository", "add", "main", "s3://backups/main")


def install_plugin(site, home=None, *, small_bundles=True):
    """On the server of that home."""
    if small_bundles:
        leave_small_bundles((home or site.folder / "home") / "server" / "plugins" / "aws")
    words = ("--set", f"region={REGION}", "--set", "reach-at=127.0.0.1", "--set", "repositories=backups")
    return site.do("plugin", "install", "aws", *words, home=home)


def leave_small_bundles(folder: Path) -> None:
    """As if bundles of what is installed had been made there before: a server makes each once."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("appliance", "worker"):
        key = content_key(installed_contents(kind))
        path = folder / f"{key}.tar.gz"
        path.write_bytes(kind.encode() * 100)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        size, version = path.stat().st_size, holdfast.__version__
        bundle = Bundle(path, sha256, size, running_python(), running_architecture(), version, kind)
        (folder / f"{key}.json").write_text(json.dumps(asdict(bundle) | {"path": path.name}))
