"""What the owner asks of an appliance: enrolment, accounts, repositories, policies, changes."""

import datetime as dt
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.appliance.ports.repositories import Examined
from holdfast.domain.errors import (
    ConflictError,
    NotAuthenticatedError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
    WrongKeyError,
)
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.policy import Selection
from holdfast.domain.restore import VolumeRestore
from holdfast.protocol.appliance_answers import AwsSettings
from holdfast.protocol.policies import policy_document
from holdfast.testing.simulated_cloud import ACCOUNT_ID
from holdfast.testing.simulated_site import LOCATION, OpenBox, SimulatedSite


@pytest.fixture
def site() -> SimulatedSite:
    return SimulatedSite()


def ask(site, call):
    return site.run(lambda appliance: call(appliance.service))


def certificate() -> tuple[str, str]:
    """(PEM, SHA-256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    begin = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - the builder's own form
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    return pem, made.fingerprint(hashes.SHA256()).hex()


def test_one_code_enrols_one_server(site):
    first, second = certificate(), certificate()
    code = ask(site, lambda service: service.new_enrolment_code())
    with pytest.raises(NotAuthenticatedError):
        ask(site, lambda service: service.enrol("guess", "server-1", first[0]))
    facts = ask(site, lambda service: service.enrol(code, "server-1", first[0]))
    assert facts.owner == "server-1"
    with pytest.raises(NotAuthenticatedError):
        ask(site, lambda service: service.enrol(code, "server-2", second[0]))
    ask(site, lambda service: service.check_caller(first[1]))
    with pytest.raises(NotAuthenticatedError):
        ask(site, lambda service: service.check_caller(second[1]))


def test_a_code_is_worth_nothing_once_somebody_is_let_in_or_let_go(site):
    """By whatever way, and before the new owner is written down: a crash in between opens nothing."""
    code = ask(site, lambda service: service.new_enrolment_code())
    ask(site, lambda service: service.adopt("server-1", certificate()[0]))
    with pytest.raises(NotAuthenticatedError):
        ask(site, lambda service: service.enrol(code, "server-2", certificate()[0]))
    code = ask(site, lambda service: service.new_enrolment_code())
    ask(site, lambda service: service.release())
    with pytest.raises(NotAuthenticatedError):
        ask(site, lambda service: service.enrol(code, "server-2", certificate()[0]))


def test_whoever_is_cut_short_while_enrolling_has_lost_the_code(site, monkeypatch):
    code = ask(site, lambda service: service.new_enrolment_code())
    settings = site.records.settings
    put = settings.put

    def killed(name, value):
        if name == "owner":
            raise KeyboardInterrupt
        put(name, value)

    monkeypatch.setattr(settings, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        ask(site, lambda service: service.enrol(code, "server-1", certificate()[0]))
    monkeypatch.undo()
    with pytest.raises(NotAuthenticatedError):
        ask(site, lambda service: service.enrol(code, "server-2", certificate()[0]))


def test_a_former_owner_is_told_that_it_is_one(site):
    first, second = certificate(), certificate()
    for server, (pem, _) in (("server-1", first), ("server-2", second)):
        code = ask(site, lambda service: service.new_enrolment_code())
        ask(site, lambda service, code=code, server=server, pem=pem: service.enrol(code, server, pem))
    with pytest.raises(ConflictError, match="owned by another server"):
        ask(site, lambda service: service.check_caller(first[1]))
    ask(site, lambda service: service.check_caller(second[1].upper()))
    assert ask(site, lambda service: service.known_certificates()) == (second[0], first[0])
    ask(site, lambda service: service.release())
    assert ask(site, lambda service: service.facts()).owner is None
    with pytest.raises(ConflictError):
        ask(site, lambda service: service.check_caller(second[1]))


def test_what_is_no_certificate_enrols_nobody_and_costs_no_code(site):
    code = ask(site, lambda service: service.new_enrolment_code())
    with pytest.raises(UsageError):
        ask(site, lambda service: service.enrol(code, "server-1", "no certificate"))
    ask(site, lambda service: service.enrol(code, "server-1", certificate()[0]))


def test_settings_are_remembered(site):
    assert not ask(site, lambda service: service.facts()).configured
    settings = AwsSettings(
        "stack", "eu-central-1", ACCOUNT_ID, "bucket", {}, "arn:key", "https://queue", "arn:boundary"
    )
    ask(site, lambda service: service.configure(settings))
    assert ask(site, lambda service: service.facts()).configured
    assert ask(site, lambda service: service.aws_settings()) == settings


def test_an_account_learns_its_id_and_stays_while_it_is_needed(site):
    made = ask(site, lambda service: service.put_account(Account("other")))
    assert made.account_id == ACCOUNT_ID
    site.policy()
    with pytest.raises(ConflictError, match="in use"):
        ask(site, lambda service: service.remove_account("main"))
    ask(site, lambda service: service.remove_account("other"))
    with pytest.raises(NotFoundError):
        ask(site, lambda service: service.get_account("other"))


def test_an_account_stays_while_restore_points_are_of_it(site):
    site.cloud.add_instance("web-1")
    site.policy(backup=None)
    site.run_policy("web", "snapshot")
    ask(site, lambda service: service.remove_policy("web"))
    with pytest.raises(ConflictError) as caught:
        ask(site, lambda service: service.remove_account("main"))
    assert "1 listed restore point of it" in caught.value.why
    assert "point delete" in caught.value.cure
    (point,) = site.records.points.page(before=None, limit=9)
    ask(site, lambda service: service.delete_point(point.id))
    ask(site, lambda service: service.remove_account("main"))
    with pytest.raises(NotFoundError):
        ask(site, lambda service: service.remove_account("main"))


@pytest.fixture
def stored(site):
    """Two points in a repository that no policy names any more; the newest one has base snapshots."""
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)
    for _ in range(2):
        site.run_policy("web", "backup")
        site.wait(3600)
    ask(site, lambda service: service.remove_policy("web"))
    return site


def test_a_repository_stays_while_restore_points_lie_in_it(stored):
    with pytest.raises(ConflictError) as caught:
        ask(stored, lambda service: service.remove_repository("vault", False))
    assert "2 listed restore points in it" in caught.value.why
    assert "--forget-points" in caught.value.cure
    assert len(stored.records.points.page(before=None, limit=9)) == 2


def test_points_are_taken_off_the_list_and_stay_in_their_repository(stored):
    vault = stored.records.repositories.get("vault")
    known = stored.records.points.page(before=None, limit=9)
    ask(stored, lambda service: service.remove_repository("vault", True))
    assert stored.records.points.page(before=None, limit=9) == []
    assert set(stored.repository.points_by_id) == {point.id for point in known}
    stored.run(lambda appliance: appliance.reaper.reap())
    assert stored.cloud.count("snapshot") == 0, "the base of the newest one is the base of nothing"
    stored.records.repositories.put(vault, None)
    assert ask(stored, lambda service: service.rescan_repository("vault")).added == 2


def test_whether_a_repository_may_be_removed_is_asked_without_changing_anything(stored):
    known = stored.records.points.page(before=None, limit=9)
    with pytest.raises(ConflictError, match="2 listed restore points"):
        ask(stored, lambda service: service.check_repository_removal("vault", False))
    ask(stored, lambda service: service.check_repository_removal("vault", True))
    assert stored.records.points.page(before=None, limit=9) == known
    assert stored.records.repositories.get("vault")
    with pytest.raises(NotFoundError):
        ask(stored, lambda service: service.check_repository_removal("none", True))


def test_a_policy_holds_its_repository_whatever_is_forgotten(stored):
    stored.policy("again")
    with pytest.raises(ConflictError, match="in use"):
        ask(stored, lambda service: service.remove_repository("vault", True))
    assert len(stored.records.points.page(before=None, limit=9)) == 2


def test_a_repository_stays_while_something_is_restored_from_it(stored):
    point = stored.records.points.page(before=None, limit=1)[0]

    async def act(appliance):
        session = appliance.service.start_restore(VolumeRestore(point.id))
        with pytest.raises(ConflictError) as caught:
            appliance.service.remove_repository("vault", True)
        assert session.id in caught.value.why

    stored.run(act)
    ask(stored, lambda service: service.remove_repository("vault", True))


def test_a_check_names_what_is_denied(site):
    assert ask(site, lambda service: service.check_account("main")).missing == ()
    site.cloud.denied.add("ec2:DescribeInstances in eu-central-1")
    assert ask(site, lambda service: service.check_account("main")).missing == ("ec2:DescribeInstances",)

    def refuse(account):
        raise PermissionDeniedError("sts:AssumeRole is denied", why="no trust", cure="mend it")

    site.cloud.identity = refuse
    assert ask(site, lambda service: service.check_account("main")).missing == ("sts:AssumeRole",)


def test_a_repository_is_added_only_when_it_opens_and_its_password_is_sealed(site, monkeypatch):
    definition = RepositoryDefinition("other", LOCATION, task_limit=3)
    with pytest.raises(WrongKeyError):
        ask(site, lambda service: service.put_repository(definition, "wrong"))
    with pytest.raises(NotFoundError):
        site.records.repositories.get("other")
    known = ask(site, lambda service: service.put_repository(definition, "canary-password"))
    assert known.repository_id
    sealed = site.records.repositories.sealed_password("other") or b""
    assert b"canary" not in sealed
    again = replace(definition, task_limit=4)
    with monkeypatch.context() as patch:
        # What is sealed anew is another text, and the repository would be opened anew under who works in it.
        patch.setattr(OpenBox, "seal", lambda *_words: pytest.fail("sealed anew"))
        assert ask(site, lambda service: service.put_repository(again, "canary-password")).task_limit == 4
    assert site.records.repositories.sealed_password("other") == sealed
    ask(site, lambda service: service.put_repository(again, "another-password"))
    assert site.records.repositories.sealed_password("other") != sealed
    limits = ask(site, lambda service: service.limits())
    assert ("repository/other", 4) in {(one.queue, one.limit) for one in limits}
    site.policy()
    with pytest.raises(ConflictError):
        ask(site, lambda service: service.remove_repository("vault", False))
    ask(site, lambda service: service.remove_repository("other", False))


def test_a_name_stands_for_one_repository_and_one_account(site, monkeypatch):
    """Points that name it would be taken for gone, and forgotten, where another one answers to the name."""
    first = ask(site, lambda service: service.put_repository(RepositoryDefinition("other", LOCATION), "password"))
    moved = replace(first, description="moved")
    assert ask(site, lambda service: service.put_repository(moved, "password")) == moved

    def another(appliance):
        other = Examined("ff" * 16, "")
        monkeypatch.setattr(appliance.surface.repositories, "examine", lambda *_words: other)
        return appliance.service.put_repository(moved, "password")

    with pytest.raises(ConflictError, match="restore points name it"):
        site.run(another)
    assert site.records.repositories.get("other").repository_id == first.repository_id

    account = ask(site, lambda service: service.put_account(Account("main", description="again")))
    monkeypatch.setattr(site.cloud, "identity", lambda _account: "210987654321")
    with pytest.raises(ConflictError, match="restore points name it"):
        ask(site, lambda service: service.put_account(Account("main", role_arn="arn:aws:iam::210987654321:role/x")))
    assert site.records.accounts.get("main") == account


def test_applying_a_policy_is_idempotent_and_shows_what_changes(site):
    instance = site.cloud.add_instance("web-1")
    document = policy_document(site.policy("web"))
    site.records.policies.remove("web")
    shown = ask(site, lambda service: service.apply_policy(document, True))
    assert (shown.change, shown.matched) == ("created", (instance,))
    assert site.records.policies.all() == []
    assert ask(site, lambda service: service.apply_policy(document, False)).change == "created"
    assert ask(site, lambda service: service.apply_policy(document, False)).change == "unchanged"
    document["spec"]["snapshot"]["keep"] = 9
    changed = ask(site, lambda service: service.apply_policy(document, False))
    assert changed.change == "changed"
    assert "+    keep: 9" in changed.difference


def test_a_policy_names_only_what_is_known(site):
    document = policy_document(site.policy("web"))
    document["spec"]["backup"]["repository"] = "nowhere"
    with pytest.raises(NotFoundError, match="nowhere"):
        ask(site, lambda service: service.apply_policy(document, False))
    document = policy_document(site.policy("web"))
    document["spec"]["account"] = "nobody"
    with pytest.raises(NotFoundError, match="nobody"):
        ask(site, lambda service: service.apply_policy(document, False))


def test_a_policy_that_matches_nothing_is_applied_with_a_warning(site):
    document = policy_document(site.policy("web", select=Selection(tags={"no": "such"})))
    site.records.policies.remove("web")
    applied = ask(site, lambda service: service.apply_policy(document, False))
    assert applied.warnings == ("it matches nothing now",)
    assert applied.matched == ()
    assert site.records.policies.get("web").enabled


def test_changes_come_in_order_and_stop_where_nothing_is_new(site):
    page = ask(site, lambda service: service.changes(0, 100, 0.0))
    assert [one.kind for one in page.changes] == ["account", "repository"]
    assert ask(site, lambda service: service.changes(page.newest, 100, 0.0)).changes == ()
    site.policy()
    (change,) = ask(site, lambda service: service.changes(page.newest, 100, 0.0)).changes
    assert (change.kind, change.id) == ("policy", "web")


def test_an_external_id_is_used_and_never_shown(site):
    far = Account("far", "arn:aws:iam::2:role/backup", "agreed with nobody else")
    known = ask(site, lambda service: service.put_account(far))
    assert (known.external_id, known.account_id) == (None, ACCOUNT_ID)
    listed = ask(site, lambda service: [*service.list_accounts(), service.get_account("far")])
    assert {one.external_id for one in listed} == {None}
    told = ask(site, lambda service: service.changes(after=0, limit=100, wait_seconds=0.0))
    assert str(far.external_id) not in str(told)
    assert site.last.surface.account("far").external_id == far.external_id
    assert {one.name: one.external_id for one in site.last.surface.accounts()} == {"main": None, "far": far.external_id}

    ask(site, lambda service: service.put_account(replace(far, external_id=None)))
    assert site.last.surface.account("far").external_id is None
    ask(site, lambda service: service.put_account(far))
    ask(site, lambda service: service.remove_account("far"))
    site.records.accounts.put(known)
    assert site.last.surface.account("far").external_id is None, "it went with its account"
