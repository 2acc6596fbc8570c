"""User data as an instance runs it: a whole boot in a shell, with everything but the standard library stood in for."""

import email
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from holdfast.aws.bundle.user_data import MAX_USER_DATA_BYTES, BootOrder, user_data
from holdfast.domain.errors import UsageError
from tests.unit.aws.bundle.small_cloud import small_cloud

PATIENCE_SECONDS = 120


def order(command=("worker", "run"), lifetime_seconds=3600, sha256="0" * 64):
    return BootOrder("bundles-1", "bundles/1/x.tar.gz", sha256, "eu-west-1", command, lifetime_seconds)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """HOME and PATH of an instance; `shutdown` and long sleeps leave a note."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    executable(programs / "shutdown", f'#!/bin/sh\necho "$@" > {tmp_path}/shut-down\n')
    executable(
        programs / "sleep", f'#!/bin/sh\n[ "$1" = 60 ] && echo 60 > {tmp_path}/waited && exit\nexec /bin/sleep "$@"\n'
    )
    return tmp_path


@contextmanager
def booted(machine, cloud, script, cwd=None, **environment):
    """The script running as cloud-init runs it; every process of it ends with the block."""
    path = machine / "part-001"
    executable(path, script)
    variables = {
        "HOME": str(machine),
        "PATH": f"{machine}/bin:/usr/bin:/bin",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.url,
    }
    with (machine / "console").open("wb") as console:
        process = subprocess.Popen(
            [str(path)],
            env=variables | environment,
            cwd=cwd or machine,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def text_of(machine, name="console"):
    path = machine / name
    return path.read_text() if path.exists() else ""


def wait_until(holds):
    """Poll; the end of the patience is a failure of the test that waits."""
    deadline_seconds = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline_seconds, "it did not come"
        time.sleep(0.02)


def program_of(machine):
    lines = [line for line in text_of(machine).splitlines() if line.startswith("PROGRAM ")]
    return json.loads(lines[0].removeprefix("PROGRAM ")), len(lines)


def test_worker_runs_its_command_alone_and_shuts_the_machine_down(machine):
    with small_cloud() as cloud, booted(machine, cloud, user_data(order(("7", "it's", "$HOME"), sha256=cloud.sha256))):
        wait_until(lambda: text_of(machine, "shut-down"))
        started, _ = program_of(machine)
    assert started["argv"] == ["holdfast", "7", "it's", "$HOME"]
    assert (started["isolated"], started["no_site"], started["region"]) == (1, 1, "eu-west-1")
    assert started["path"][-1] == str(machine / "holdfast" / "site-packages")
    assert not [place for place in started["path"][:-1] if "-packages" in place]
    assert "ended with exit code 7" in text_of(machine)
    assert text_of(machine, "shut-down") == "-h now\n"
    assert not text_of(machine, "waited")


def test_machine_without_home_uses_roots_own():
    assert 'HOME="${HOME:-/root}"' in user_data(order())


def test_failed_boot_says_why_and_ends_after_a_minute(machine):
    with small_cloud() as cloud, booted(machine, cloud, user_data(order())):
        wait_until(lambda: text_of(machine, "shut-down"))
    assert "FAILED: s3://bundles-1/bundles/1/x.tar.gz is not the bundle ordered" in text_of(machine)
    assert text_of(machine, "waited") == "60\n"


def test_image_without_python_ends_too(machine):
    (machine / "bin" / "python3").unlink()
    executable(machine / "bin" / "python3", "#!/bin/sh\nexit 127\n")
    with small_cloud() as cloud, booted(machine, cloud, user_data(order())):
        wait_until(lambda: text_of(machine, "shut-down"))
    assert text_of(machine, "waited") == "60\n"


def test_lifetime_ends_whatever_hangs(machine):
    with small_cloud() as cloud:
        script = user_data(order(("worker", "hang"), lifetime_seconds=1, sha256=cloud.sha256))
        with booted(machine, cloud, script):
            wait_until(lambda: text_of(machine, "shut-down"))
    assert "lifetime of 1 s is over" in text_of(machine)


def script_for_every_boot(text):
    """What cloud-init makes of it: a script, and the word that it runs at every boot."""
    config, script = [part for part in email.message_from_string(text).walk() if not part.is_multipart()]
    assert config.get_content_type() == "text/cloud-config"
    assert "- [scripts-user, always]" in str(config.get_payload())
    assert script.get_content_type() == "text/x-shellscript"
    return str(script.get_payload())


def test_appliance_is_started_again_and_its_bundle_is_fetched_once(machine):
    with small_cloud() as cloud:
        script = script_for_every_boot(user_data(order(("3",), lifetime_seconds=None, sha256=cloud.sha256)))
        with booted(machine, cloud, script):
            wait_until(lambda: text_of(machine).count("PROGRAM") >= 2)
        assert len([path for method, path in cloud.asked if path.startswith("/bundles-1/")]) == 1
    assert not text_of(machine, "shut-down")


def test_files_lie_where_the_command_runs(machine):
    text = "-----BEGIN CERTIFICATE-----\n$HOME `x` 'y' \\\\n\n"
    with small_cloud() as cloud:
        ordered = replace(order(("0",), sha256=cloud.sha256), files=(("server.pem", text),))
        with booted(machine, cloud, user_data(ordered), cwd="/"):
            wait_until(lambda: text_of(machine, "shut-down"))
        started, _ = program_of(machine)
    assert (machine / "server.pem").read_text() == text
    assert started["folder"] == str(machine)


def test_variables_of_python_change_nothing(machine):
    bad = machine / "bad"
    bad.mkdir()
    (bad / "json.py").write_text("raise SystemExit('hijacked')")
    with small_cloud() as cloud:
        script = user_data(order(("0",), sha256=cloud.sha256))
        with booted(machine, cloud, script, PYTHONPATH=str(bad), PYTHONSTARTUP=str(bad / "json.py")):
            wait_until(lambda: text_of(machine, "shut-down"))
    assert "ended with exit code 0" in text_of(machine)


def test_it_fits_and_holds_what_was_ordered():
    script = user_data(order())
    assert script.startswith("#!/bin/sh\n")
    assert len(script.encode()) < MAX_USER_DATA_BYTES
    assert "@" not in "".join(line for line in script.splitlines() if line.startswith("run()"))


@pytest.mark.parametrize(
    "wrong",
    [
        order(sha256="x"),
        order(lifetime_seconds=0),
        order(("x" * MAX_USER_DATA_BYTES,)),
        replace(order(), files=(("../x", "a\n"),)),
        replace(order(), files=(("x", "no end"),)),
        replace(order(), files=(("x", "a\nHOLDFAST-FILE\nrm -r /\n"),)),
    ],
)
def test_what_cannot_boot_is_refused(wrong):
    with pytest.raises(UsageError):
        user_data(wrong)
