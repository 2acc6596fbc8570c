"""Taking on an appliance by hand: what is sent, to whom, and when nothing is."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.domain.errors import CertificateError, UnavailableError, UnsupportedFormatError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import ConnectOrder, PluginContext, ServerIdentity
from holdfast.protocol.appliance_answers import API_VERSION, ApplianceFacts
from holdfast.protocol.encoding import to_document
from holdfast.rest.client.appliance import Enrolled
from holdfast_aws import connecting
from holdfast_aws.doors import Doors
from holdfast_aws.settings import Settings
from tests.unit.aws.memory_ledger import MemoryLedger

FACTS = ApplianceFacts("a9" * 16, "0.1.0", API_VERSION, 0, "eu-west-1", "123456789012", True)
IDENTITY = ServerIdentity(Path("certificate.pem"), Path("key.pem"), "5e" * 16)
SETTINGS = Settings(
    "eu-west-1", "123456789012", "stack", "bucket", "key", "queue", "boundary", "profile", "x86_64", "a", "b", "c", "d"
)  # fmt: skip
KNOWN = Appliance(
    "north", "aws", "https://a:1", ApplianceState.CERTIFICATE_CHANGED, "OLD", offered_certificate="NEW",
    appliance_id="a9" * 16, instance_id="i-1", added_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def nobody(*words):
    raise AssertionError(words)


class World:
    def __init__(self):
        self.sent, self.facts, self.trouble, self.closed = [], FACTS, None, 0
        self.doors = Doors(self.appliance, nobody, self.enrol, nobody)

    def enrol(self, url, fingerprint, code, identity):
        if fingerprint != "right":
            raise CertificateError("another", why="x", cure="y")
        self.sent.append(("enrol", url, code))
        return Enrolled(self.facts, "PINNED")

    def appliance(self, url, certificate, identity):
        world = self

        class Door:
            def send(self, method, path, document=None, query=None):
                if world.trouble:
                    raise world.trouble
                world.sent.append((method, path, certificate))
                return to_document(world.facts) if path == "/appliance" else None

            def close(self):
                world.closed += 1

        return Door()


@pytest.fixture
def world():
    return World()


def context(settings=None):
    settings = SETTINGS.kept() if settings is None else settings
    return PluginContext(IDENTITY, MemoryLedger(), lambda line: None, lambda: False, "", Path(), settings)


def test_it_is_enrolled_pinned_and_told(world):
    made = connecting.connect(world.doors, ConnectOrder("north", "https://a:1", "right", "code"), context())
    assert (made.certificate, made.appliance_id, made.state) == ("PINNED", "a9" * 16, ApplianceState.AVAILABLE)
    assert world.sent == [
        ("enrol", "https://a:1", "code"),
        ("DELETE", "/farewell", "PINNED"),
        ("PUT", "/settings", "PINNED"),
    ]
    assert world.closed == 1


def test_nothing_is_sent_to_another_one(world):
    with pytest.raises(CertificateError):
        connecting.connect(world.doors, ConnectOrder("north", "https://a:1", "wrong", "code"), context())
    assert world.sent == []


def test_another_version_of_the_interface_is_refused(world):
    world.facts = replace(FACTS, api=API_VERSION + 1)
    with pytest.raises(UnsupportedFormatError):
        connecting.connect(world.doors, ConnectOrder("north", "https://a:1", "right", "code"), context())


def test_accepting_pins_what_is_offered_when_it_is_the_same_appliance(world):
    accepted = connecting.accept_certificate(world.doors, KNOWN, context())
    assert (accepted.certificate, accepted.instance_id, accepted.added_at) == ("NEW", "i-1", KNOWN.added_at)
    assert all(certificate == "NEW" for _, _, certificate in world.sent)
    world.facts = replace(FACTS, appliance_id="b7" * 16)
    with pytest.raises(CertificateError, match="another appliance"):
        connecting.accept_certificate(world.doors, KNOWN, context())


def test_one_that_is_known_is_told_that_it_stays_and_what_was_installed_anew(world):
    connecting.tell(world.doors, KNOWN, context())
    assert world.sent == [("DELETE", "/farewell", KNOWN.certificate), ("PUT", "/settings", KNOWN.certificate)]
    assert world.closed == 1


def test_letting_go_says_what_was_not_heard(world):
    assert connecting.release(world.doors, KNOWN, context()) is None
    world.trouble = UnavailableError("away", why="x", cure="y")
    assert connecting.release(world.doors, KNOWN, context()) is world.trouble


def test_settings_are_kept_as_text_and_read_again():
    assert Settings.of(SETTINGS.kept()) == SETTINGS
