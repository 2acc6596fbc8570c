"""Whoever may put objects into an immutable bucket, and lock them there, keeps nobody from opening the repository."""

import hashlib

import pytest

from holdfast.domain.errors import ConflictError, PermissionDeniedError, WrongKeyError
from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.format import envelope, names
from holdfast.repository.format import epoch as epoch_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.epoch import Epoch
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.upkeep.rotation import rotate
from tests.faults.immutable_site import Site


@pytest.fixture
def site():
    return Site()


def block(seed: int) -> bytes:
    return bytes([seed]) * 1000


def newer_object(key: str) -> bytes:
    """What says that a newer Holdfast wrote it."""
    body = b"HFOBJT\x00\x02" + key.encode() + bytes(200)
    return body + hashlib.sha256(body).digest()


def newer_slot(site) -> bytes:
    [genuine, *_rest] = [one.body for one in site.bucket.listed() if one.key.startswith(names.KEYS)]
    body = genuine[:6] + b"\x00\x02" + genuine[8:-32]
    return body + hashlib.sha256(body).digest()


def forged_epoch(site, kid: int) -> bytes:
    """By somebody who has seen the repository's id, and holds a key of his own."""
    own = MasterKey(bytes(32), site.open().config.repository, kid)
    body = epoch_form.encode(Epoch(kid, {one: bytes(32) for one in range(1, kid)}, "2026-11-26T00:00:00.000000Z"))
    return envelope.seal(
        Kind.EPOCH,
        body,
        kind_key=own.sub("epoch"),
        object_key=names.epoch(kid),
        repository=own.repository,
        kid=kid,
        salt=bytes(32),
    )


class Kms:
    """A key service: everybody may use its keys, but for the one that is closed."""

    def wrap(self, key_id, plaintext, context):
        return b"closed" if key_id == "closed" else plaintext

    def unwrap(self, blob, context, key_id=None):
        if blob == b"closed":
            raise PermissionDeniedError("no", why="the key is another account's", cure="")
        return bytes(blob)


def test_a_forged_epoch_begins_nothing(site):
    session = site.back_up(block(1))
    for kid in (2, 3):
        site.bucket.put(names.epoch(kid), forged_epoch(site, kid))
    assert site.open().master.kid == 1
    other = site.back_up(block(2))
    assert site.restores({session: block(1), other: block(2)})


@pytest.mark.parametrize("over", [b"junk", None], ids=["junk", "marker"])
def test_a_rotation_is_believed_behind_what_was_put_over_it(site, over):
    session = site.back_up(block(1))
    past = site.secret
    done = rotate(site.open(), past, b"another")
    site.secret = Secret(b"another")
    site.bucket.put(names.epoch(2), forged_epoch(site, 2))
    if over is None:
        site.bucket.delete(names.epoch(2))
    else:
        site.bucket.put(names.epoch(2), over)
    assert site.open().master.kid == 2
    assert site.restores({session: block(1)})
    site.secret = Secret(done.recovery_code.encode())
    assert site.open().master.kid == 2
    site.secret = past
    with pytest.raises(WrongKeyError, match="that is past"):
        site.open()


def test_who_was_led_to_an_epoch_knows_it_by_its_mark(site):
    running = site.open()
    rotate(site.open(), site.secret)
    site.bucket.put(names.epoch(3), forged_epoch(site, 3))
    site.back_up(block(1))
    running.ledger.refresh()
    assert running.master.kid == 2


def test_a_rotation_over_a_hidden_one_has_lost(site):
    one, other = site.open(), site.open()
    rotate(one, site.secret)
    site.bucket.delete(names.epoch(2))
    with pytest.raises(ConflictError, match="another rotation"):
        rotate(other, site.secret)
    assert site.open().master.key == one.master.key


def test_a_rotation_over_a_hidden_forgery_has_won(site):
    site.bucket.put(names.epoch(2), forged_epoch(site, 2))
    site.bucket.delete(names.epoch(2))
    rotate(site.open(), site.secret)
    assert site.open().master.kid == 2


@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "hidden"])
def test_junk_among_the_key_slots_keeps_nobody_out(site, hidden):
    session = site.back_up(block(1))
    if hidden:
        for one in site.bucket.listed():
            if one.key.startswith(names.KEYS):
                site.bucket.delete(one.key)
    site.bucket.put(names.slot(b"j" * 16), b"junk")
    site.bucket.put(names.slot(b"n" * 16), newer_slot(site) if not hidden else newer_object("x"))
    assert site.restores({session: block(1)})


def test_a_slot_under_somebody_elses_kms_key_leads_nobody_astray(site):
    session = site.back_up(block(1))
    ours = site.open().master
    theirs = MasterKey(b"t" * 32, ours.repository)
    for master, key_id in [(ours, "ours"), *[(theirs, "theirs"), (theirs, "closed")] * 3]:
        KeySlots(site.store, site.surroundings()).add_kms(master, Kms(), key_id, key_id)
    site.secret = Secret(wrapper=Kms())
    assert site.restores({session: block(1)})


def test_objects_of_a_newer_format_hide_nothing(site):
    session = site.back_up(block(1))
    for one in site.bucket.listed():
        site.bucket.put(one.key, newer_slot(site) if one.key.startswith(names.KEYS) else newer_object(one.key))
    assert site.restores({session: block(1)})
    again = site.back_up(block(2))
    assert site.restores({session: block(1), again: block(2)})
