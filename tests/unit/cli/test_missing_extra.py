"""A part that is not installed is named; what no extra brings is a defect."""

import sys

import pytest

from holdfast.cli import main
from holdfast.cli.missing_extra import missing_extra
from holdfast.domain.extras import how_to_install


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("httpx", "server"),
        ("yaml", "server"),
        ("cronsim", "appliance"),
        ("moto.core", "lab"),
        ("psycopg", "postgresql"),
    ],
)
def test_extra_that_brings_the_module_is_named(module, extra):
    error = missing_extra(ModuleNotFoundError(name=module))
    assert error is not None
    assert error.cure == how_to_install(extra, sys.executable)
    assert module.partition(".")[0] in error.why


def test_the_cure_names_the_interpreter_and_never_what_pypi_has_under_the_name():
    cure = how_to_install("lab", "/opt/our backups/bin/python")
    assert "`'/opt/our backups/bin/python' -m pip install '.[lab]'` in a checkout" in cure
    assert "-m pip install 'FILE.whl[lab]'`" in cure
    assert "install 'holdfast" not in cure


@pytest.mark.parametrize("module", ["numpy", "holdfast.nothing", None])
def test_anything_else_is_a_defect(module):
    assert missing_extra(ModuleNotFoundError(name=module)) is None


def test_command_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "httpx", None)  # importing it raises ModuleNotFoundError
    monkeypatch.delitem(sys.modules, "holdfast.wiring.server_client", raising=False)
    for name in [name for name in sys.modules if name.startswith("holdfast.rest.client")]:
        monkeypatch.delitem(sys.modules, name)
    assert main.run(["repository", "list"]) == 2
    assert "[missing-extra]" in capsys.readouterr().err
