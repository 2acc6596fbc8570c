"""A server that knows no cloud, learns one, and forgets it."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.e2e.product.conftest import install_plugin

TIN = Path(__file__).resolve().parents[1] / "server" / "tin_plugin"
ID = "a" * 32
INSTANCE = "i-0123456789abcdef0"

OF_A_CLOUD = [
    ("appliance", "deploy", "a", "--allow", "127.0.0.1/32"),
    ("appliance", "connect", "a", "--url", "https://127.0.0.1:1", "--fingerprint", ID * 2, "--code-file", "password"),
    ("account", "add", "own"),
    ("account", "list"),
    ("account", "show", "own"),
    ("account", "check", "own"),
    ("account", "remove", "own", "--yes"),
    ("policy", "list"),
    ("policy", "show", "web"),
    ("policy", "export", "web"),
    ("policy", "run", "web"),
    ("policy", "stop", "web", "--yes"),
    ("policy", "enable", "web"),
    ("policy", "disable", "web"),
    ("policy", "delete", "web", "--yes"),
    ("point", "snapshot", INSTANCE, "--account", "own", "--region", "eu-central-1"),
    ("point", "show", ID),
    ("point", "delete", ID, "--yes"),
    ("restore", "instance", ID),
    ("restore", "instance", ID, "--plan"),
    ("restore", "volume", ID, "--plan"),
    ("repository", "rescan", "main"),
]
NEEDS_NONE = [
    ("appliance", "list"),
    ("session", "list"),
    ("point", "list"),
    ("repository", "list"),
    ("plugin", "list"),
]


def plugins(site):
    return {one["name"]: one for one in site.do("plugin", "list")["plugins"]}


def test_without_a_plugin_every_verb_of_a_cloud_says_how_to_get_it(bare_site):
    document = bare_site.policy("web", select={"all": True}, snapshot={"keep": 1})
    for words in [*OF_A_CLOUD, ("policy", "apply", "-f", document)]:
        said = bare_site.refused(*words, status=4)
        assert "holdfast plugin install aws" in said, (words, said)
    for words in NEEDS_NONE:
        found = bare_site.do(*words)
        assert {one["state"] for many in found.values() for one in many} <= {"available"}, words


def test_a_wheel_for_another_contract_is_refused_unopened(bare_site, tmp_path):
    mark = tmp_path / "loaded"
    wheel = tmp_path / "holdfast_aws-9-py3-none-any.whl"
    about = "holdfast_aws-9.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("holdfast_aws.py", f"open({str(mark)!r}, 'w').close()\n")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: holdfast-aws\nVersion: 9\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/entry_points.txt", "[holdfast.plugins.v2]\naws = holdfast_aws:PLUGIN\n")
        file.writestr(f"{about}/RECORD", "")
    ended = bare_site.do("plugin", "install", "aws", "--from", wheel, status=1)
    assert ended["session"]["error"]["code"] == "plugin-contract"
    assert not mark.exists()
    assert plugins(bare_site).get("aws", {}).get("version") != "9"


def test_another_cloud_comes_through_the_same_door(bare_site, tmp_path):
    place = tmp_path / "cloud"
    bare_site.do("plugin", "install", "tin", "--from", TIN, "--set", f"place={place}")
    report = plugins(bare_site)["tin"]
    assert (report["state"], report["things"][0]["healthy"]) == ("installed", True)
    place.rmdir()
    assert plugins(bare_site)["tin"]["things"][0]["healthy"] is False
    place.mkdir()
    # A server that is started again still has it, and a second one of the same environment has it not.
    other = bare_site.folder / "elsewhere"
    bare_site.start_server(other)
    assert "tin" not in {one["name"] for one in bare_site.do("plugin", "list", home=other)["plugins"]}
    bare_site.do("plugin", "remove", "tin", "--yes")
    assert "tin" not in plugins(bare_site)
    assert not place.exists()


def test_aws_is_healthy_while_its_stack_is_and_leaves_nothing(bare_site):
    """Which buckets there are is the person's own."""
    before = bare_site.census()
    install_plugin(bare_site)
    assert bare_site.census() != before
    report = plugins(bare_site)["aws"]
    assert report["state"] == "installed"
    assert {thing["kind"] for thing in report["things"]} >= {"stack", "bucket", "KMS key", "queue", "role"}
    assert all(thing["healthy"] for thing in report["things"])
    assert bare_site.do("plugin", "show", "aws")["things"] == report["things"]
    assert "known are: aws" in bare_site.refused("plugin", "show", "azure", status=4)
    assert str(bare_site.folder / "home") in code_of(bare_site), "its own copy is what runs"

    appliance = bare_site.start_appliance("north")
    bare_site.connect("north", appliance)
    service = bare_site.until(lambda: running(plugins(bare_site)["aws"]["services"]))
    said = bare_site.refused("plugin", "remove", "aws", "--yes", status=7)
    assert "north" in said
    bare_site.do("appliance", "remove", "north", "--yes")
    assert not Path(f"/proc/{service['pid']}").exists()
    bare_site.do("plugin", "remove", "aws", "--yes")
    assert bare_site.census() == before
    assert "holdfast plugin install aws" in bare_site.refused("policy", "list", status=4)


def running(services):
    return next((one for one in services if one["state"] == "running"), None)


def code_of(site):
    """Where a service of the server finds the plug-in."""
    paths = site.folder / "home" / "server" / "plugins" / "installed"
    words = [sys.executable, "-c", "import holdfast_aws; print(holdfast_aws.__file__)"]
    environment = {**site.environment, "PYTHONPATH": str(next(paths.iterdir()))} if paths.exists() else site.environment
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
