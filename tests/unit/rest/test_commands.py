"""Commands as a person gives them, to a server on a socket."""

from dataclasses import replace

import pytest

from holdfast.cli import main
from holdfast.domain.infrastructure import ApplianceState
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord
from holdfast.protocol.certificates import fingerprint_of
from holdfast.protocol.encoding import to_document
from holdfast.testing.sample_records import hex_id, point
from tests.unit.server.small_server import pem_of


@pytest.fixture
def command(server, tmp_path, monkeypatch):
    """Runs `holdfast WORDS`; its exit status."""
    certificate = tmp_path / "server.pem"
    certificate.write_text(server.certificate)
    for name, value in {
        "HOLDFAST_HOME": str(tmp_path / "home"),
        "HOLDFAST_SERVER": server.url,
        "HOLDFAST_TOKEN": server.token(),
        "HOLDFAST_SERVER_CERTIFICATE": str(certificate),
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *words: main.run(list(words))


def test_adding_again_changes_what_is_said_and_nothing_else(server, command, tmp_path):
    """As after a new password."""
    password = tmp_path / "password"
    password.write_text("secret")
    add = ("repository", "add", "vault", "s3://bucket/x", "--password-file", str(password))

    def kept():
        found = server.small.server.get_repository("vault")
        return found.location, found.task_limit, found.description

    assert command(*add) == 0
    assert kept() == ("s3://bucket/x", 8, "")
    assert command(*add, "--task-limit", "2", "--description", "of the north") == 0
    assert command(*add) == 0
    assert kept() == ("s3://bucket/x", 2, "of the north")
    assert command(*add, "--task-limit", "3", "--description", "") == 0
    assert kept() == ("s3://bucket/x", 3, "")


def test_whose_point_is_meant_can_be_said(server, appliance, command, capsys):
    server.small.records.appliances.put(server.small.plugin.appliance("two"))
    for name in ("one", "two"):
        change = ChangeRecord(1, "point", point(1).id, to_document(point(1)))
        server.small.server.sync(name, ChangePage((change,), 1))
    commands = (
        ("point", "show", hex_id(1)),
        ("point", "verify", hex_id(1), "--no-wait"),
        ("restore", "volume", hex_id(1), "--no-wait"),
        ("restore", "instance", hex_id(1), "--plan"),
        ("point", "delete", hex_id(1), "--yes", "--no-wait"),
    )
    for words in commands:
        assert command(*words) == 2
        assert "cure: name one with --appliance" in capsys.readouterr().err
    appliance.appliance.records.points.add(point(1), b"sealed")
    for words in commands:
        assert command(*words, "--appliance", "one") == 0


def test_a_certificate_is_accepted_by_the_fingerprint_that_was_shown(server, command, capsys):
    appliances, offered = server.small.records.appliances, fingerprint_of(pem_of("new"))
    assert command("appliance", "accept-certificate", "one") == 7, "none is offered"
    changed = {"state": ApplianceState.CERTIFICATE_CHANGED, "offered_certificate": pem_of("new")}
    appliances.put(replace(appliances.get("one"), **changed))
    capsys.readouterr()
    assert command("appliance", "accept-certificate", "one") == 2, "there is no terminal to ask on"
    said = capsys.readouterr().err
    assert f"will not trust the certificate {offered} of one" in said
    assert "cure: add --fingerprint SHA256" in said
    assert command("appliance", "accept-certificate", "one", "--fingerprint", "ab" * 32) == 7
    assert appliances.get("one").certificate == pem_of("one")
    assert command("appliance", "accept-certificate", "one", "--fingerprint", offered) == 0
    assert appliances.get("one").certificate == pem_of("new")
