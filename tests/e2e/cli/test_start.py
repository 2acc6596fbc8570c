"""The program starts quickly: `--help` loads nothing heavy."""

import os
import resource
import subprocess
import sys

from holdfast import __version__
from tests.e2e.program import PROGRAM

HEAVY = ["boto3", "botocore", "cryptography", "moto", "numpy", "pycurl", "pydantic", "rich", "zstandard"]
# Modules of Python's own, and how many times their cost the help may cost.
STANDARD = "import asyncio, email.message, http.client, json, logging, unittest.mock, xml.dom.minidom"
HELP_TIMES = 3.0


def test_help_loads_nothing_heavy():
    script = f"""
import sys
from holdfast.cli import main
assert main.run(["--help"]) == 0
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_the_command_that_collects_in_a_folder_loads_neither_a_client_nor_a_web_framework(tmp_path):
    script = f"""
import sys
from holdfast.cli import main
assert main.run(["repository", "collect-garbage", {str(tmp_path)!r}]) != 0  # there is no repository
print([name for name in ("fastapi", "httpx", "holdfast.rest") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_client_of_the_server_loads_no_web_framework():
    script = "import sys; import holdfast.wiring.server_client; print('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_help_costs_little():
    """The least of some runs, by what others cost: how fast the machine is, and what it does beside it, is no part of
    the program.
    """
    pairs = [(cpu_seconds([*PROGRAM, "--help"]), cpu_seconds([sys.executable, "-c", STANDARD])) for _ in range(5)]
    help_seconds, standard_seconds = map(min, zip(*pairs, strict=True))
    assert help_seconds < HELP_TIMES * standard_seconds


def cpu_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_console_script_is_the_module(holdfast):
    script = os.path.join(os.path.dirname(sys.executable), "holdfast")
    by_script = subprocess.run([script, "image", "list"], check=False, capture_output=True, text=True)
    assert (by_script.returncode, by_script.stderr) == (2, holdfast.run("image", "list").err)


def test_version():
    done = subprocess.run([*PROGRAM, "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == f"holdfast {__version__}\n"
