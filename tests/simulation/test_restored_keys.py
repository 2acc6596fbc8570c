"""Under which keys a restore from a repository encrypts what it writes, and what a plan says of them."""

from dataclasses import replace

import pytest

from holdfast.appliance.ports.cloud import DefaultEncryption
from holdfast.domain.infrastructure import Account
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.session import State
from holdfast.testing.simulated_cloud import ACCOUNT_ID
from holdfast.testing.simulated_site import REGION
from tests.simulation.reading import points, snapshots

KEY, OTHER, DEFAULT = (f"arn:aws:kms:{REGION}:123456789012:key/{name}" for name in "kod")
# What AWS sets by itself, what many organizations demand, and a key of their own that they set.
AWS_OWN, ALWAYS, OWN = DefaultEncryption(), DefaultEncryption(always=True), DefaultEncryption(DEFAULT)


@pytest.mark.parametrize(
    ("encrypted", "key", "named", "default", "expected"),
    [
        (True, KEY, None, AWS_OWN, KEY),
        (True, None, None, AWS_OWN, "default"),
        (False, None, None, AWS_OWN, "none"),
        (False, None, OTHER, AWS_OWN, OTHER),
        (True, KEY, OTHER, AWS_OWN, OTHER),
        (False, None, None, ALWAYS, "default"),
        (True, KEY, None, ALWAYS, KEY),
        (True, None, None, OWN, DEFAULT),
        (False, None, None, OWN, "none"),
        (False, None, None, replace(OWN, always=True), DEFAULT),
        (True, KEY, None, replace(OWN, always=True), KEY),
    ],
)
def test_a_worker_writes_snapshots_encrypted_as_the_volumes_will_be(site, encrypted, key, named, default, expected):
    instance_id = site.cloud.add_instance("web-1")
    made = site.cloud.instances[instance_id]
    volumes = tuple(replace(one, encrypted=encrypted, kms_key_id=key) for one in made.volumes)
    site.cloud.instances[instance_id] = replace(made, volumes=volumes)
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    before, seen = snapshots(site), {}
    site.cloud.default_encryption = default

    def look(name):
        for one in site.cloud.objects.values():
            if one.id not in before and "key" in one.facts:
                seen[one.id] = one.facts["key"]
            if one.kind == "instance" and "keys" in one.facts:
                seen["rights"] = one.facts["keys"]

    site.cloud.on_call = look
    order = VolumeRestore(points(site, "image-backup")[-1].id, kms_key_id=named)
    opened = site.run(lambda appliance: appliance.service.start_restore(order))
    assert site.records.sessions.get(opened.id).state == State.SUCCEEDED
    assert seen.pop("rights") == (expected if expected.startswith("arn:") else "")
    assert list(seen.values()) == [expected, expected]


def planned(site, kind="image-backup", **wishes):
    order = VolumeRestore(points(site, kind)[-1].id, **wishes)
    return site.run(lambda appliance: appliance.service.plan_restore(order))


def test_a_key_that_a_worker_cannot_name_is_said_before(protected):
    for word in ("alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab"):
        plan = planned(protected, kms_key_id=word)
        assert any("by its ARN" in line for line in plan.problems)
        assert planned(protected, "snapshot", kms_key_id=word).problems == ()


def test_what_another_account_needs_of_the_default_key_is_said_before(protected):
    """What a worker writes lies in the appliance's account, and is shared: AWS's own key cannot be."""
    protected.cloud.default_encryption = ALWAYS
    assert planned(protected).problems == (), "its own account"
    protected.records.accounts.put(Account("main", role_arn="arn:aws:iam::2:role/r", account_id=ACCOUNT_ID))
    shared = planned(protected)
    assert [line.partition(" ")[0] for line in shared.problems] == ["/dev/xvda", "/dev/sdf"]
    assert all("cannot use: name a KMS key" in line for line in shared.problems)
    assert planned(protected, kms_key_id=KEY).problems == ()
    assert planned(protected, "snapshot").problems == (), "no worker writes anything"
    protected.cloud.default_encryption = DefaultEncryption(DEFAULT, always=True)
    lent = planned(protected)
    assert lent.problems == ()
    assert [line for line in lent.warnings if DEFAULT in line and "let account main use it" in line]
    protected.cloud.default_encryption = DefaultEncryption(DEFAULT)
    assert not [line for line in planned(protected).warnings if DEFAULT in line], "these are not encrypted"
