"""A new key epoch: what was before opens, what comes after is under the new key, and who is left behind."""

import dataclasses

import pytest

from holdfast.domain.errors import (
    CancelledError,
    ConflictError,
    FormatError,
    IntegrityError,
    PermissionDeniedError,
    RollbackError,
    UnavailableError,
    WrongKeyError,
)
from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.format import epoch, key_slot, names
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.epoch import Epoch
from holdfast.repository.format.pack import read_header as read_pack_header
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.opening.memory_of_locations import recognise
from holdfast.repository.opening.repository import open_repository, repository_id
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.sessions.session import end_session, open_session, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep import rotation
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import SimulatedCrash
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.test_ledger import OneMemory
from tests.faults.world import DISK, FIRST, SECOND, back_up, collect, volume_of
from tests.golden.product import epochs_of
from tests.unit.repository.upkeep.rotating import Dying, open_, small_with_a_point


@pytest.fixture
def small():
    return small_with_a_point()


def epochs_of_packs(small):
    return {read_pack_header(small.store.get(info.key), "").kid for info in small.store.list(names.PACKS)}


def slots_of(small):
    found = KeySlots(small.store, deterministic_surroundings(3)).found(repository_id(small.store))
    return list(found.slots)


def test_what_was_written_before_opens_and_is_built_upon(small):
    done = rotate(open_(small), small.secret)
    assert (done.kid, [slot.kind for slot in done.kept]) == (2, ["recovery", "recovery"])
    assert done.left_behind == ()
    after = open_(small, 51)
    assert after.master.kid == 2
    again = back_up(after, "other", FIRST, "o").finished.manifest
    assert [pack for pack in again.packs if not pack.holds_maps] == []  # deduplication goes on
    changed = back_up(after, DISK, volume_of(1, 7, 2), "s2", {"s1": FIRST}).finished.manifest
    assert changed.packs
    assert epochs_of_packs(small) == {1, 2}
    by_code = open_(small, 52, Secret(done.recovery_code.encode()))
    contents = [restored(by_code, point) for point in list_points(by_code)]
    assert contents == [FIRST.content, FIRST.content, volume_of(1, 7, 2).content]
    assert check_repository(by_code, 100, Silence()).damage == ()


def test_three_epochs_and_a_collection_across_them(small):
    for number in (2, 3):
        rotate(open_(small, 60 + number), small.secret)
        back_up(open_(small, 70 + number), f"disk{number}", volume_of(number, 7, 2), "s")
    repository = open_(small)
    point = find_point(repository, f"latest:{DISK}", None)
    retire(repository, point.session, point.key)
    collect(repository)
    assert sorted(restored(repository, point) for point in list_points(repository)) == sorted(
        volume_of(number, 7, 2).content for number in (2, 3)
    )
    assert repository.epochs.kids == (1, 2, 3)
    assert check_repository(open_(small), 100, Silence()).damage == ()


def test_a_password_is_kept_where_it_is_at_hand_and_others_are_named(small):
    repository = open_(small)
    slots = KeySlots(small.store, deterministic_surroundings(4))
    left = slots.add_password(repository.master, b"theirs", "theirs")
    slots.add_password(repository.master, b"mine", "mine")
    mine = Secret(b"mine")
    done = rotate(open_(small, 51, mine), mine)
    assert [(slot.kind, slot.label) for slot in done.kept] == [("password", "mine"), ("recovery", "recovery code")]
    assert {slot.label for slot in done.left_behind} == {"theirs", "recovery code"}
    assert open_(small, 52, mine).master.kid == 2
    for secret in (Secret(b"theirs"), small.secret):
        with pytest.raises(WrongKeyError) as caught:
            open_(small, 53, secret)
        assert "that is past" in caught.value.what
        assert caught.value.cure.startswith("use a password, code or KMS key of the newest epoch: `holdfast repo")
    slots.remove(left.slot.hex(), open_(small, 54, mine).master)
    with pytest.raises(WrongKeyError) as caught:
        open_(small, 53, Secret(b"theirs"))
    assert "that is past" not in caught.value.what


def test_a_new_password_takes_the_place_of_the_one_that_leaked(small):
    KeySlots(small.store, deterministic_surroundings(4)).add_password(open_(small).master, b"leaked", "first")
    leaked = Secret(b"leaked")
    rotate(open_(small, 51, leaked), leaked, b"another")
    assert open_(small, 52, Secret(b"another")).master.kid == 2
    with pytest.raises(WrongKeyError):
        open_(small, 52, leaked)


class Wrapper:
    """A key service that reverses; one of its keys may not be used any more."""

    def wrap(self, key_id, plaintext, context):
        if key_id == "withdrawn":
            raise PermissionDeniedError("no", why="the key may not be used", cure="ask")
        return plaintext[::-1]

    def unwrap(self, blob, context, key_id=None):
        return blob[::-1]


def test_a_kms_key_is_kept_where_it_may_be_used(small):
    slots = KeySlots(small.store, deterministic_surroundings(4))
    slots.add_kms(open_(small).master, Wrapper(), "mine", "mine")
    secret = Secret(small.secret.text, Wrapper())
    done = rotate(open_(small, 51, secret), secret)
    assert [slot.label for slot in done.kept if slot.kind == "kms"] == ["mine"]
    assert open_(small, 52, Secret(wrapper=Wrapper())).master.kid == 2
    [kept] = [slot for slot in done.kept if slot.kind == "kms"]
    withdrawn = dataclasses.replace(kept, parameters={**kept.parameters, "key_id": "withdrawn"})
    newest = open_(small, 53).master
    assert slots.take_over(withdrawn, newest, newest, secret) is None


def test_a_slot_that_leads_elsewhere_is_led_nowhere(small):
    """Whoever may put objects can name a KMS key of their own in a slot, and give it the label of a true one."""
    ours = open_(small).master
    slots = KeySlots(small.store, deterministic_surroundings(4))
    theirs = slots.add_kms(MasterKey(bytes(32), ours.repository), Wrapper(), "theirs", "the company's")
    known = slots.add_password(MasterKey(bytes(32), ours.repository), b"known", "theirs")
    mine = slots.add_password(ours, b"known", "mine")
    secret = Secret(b"known", Wrapper())
    done = rotate(open_(small, 51, secret), secret)
    assert [slot.label for slot in done.kept] == ["mine", "recovery code"]
    left = {slot.slot for slot in done.left_behind}
    assert left > {theirs.slot, known.slot}
    assert mine.slot not in left


def impossible(slot):
    """Its cost is beyond what anybody may ask for."""
    return dataclasses.replace(slot, slot=b"i" * 16, parameters={**slot.parameters, "memory_kib": 1})


def test_junk_among_the_key_slots_is_named_and_left(small):
    repository = open_(small)
    slots = KeySlots(small.store, deterministic_surroundings(4))
    true = slots.add_password(repository.master, b"mine", "mine")
    foreign = make_small_repository(MemoryStore(), deterministic_surroundings(9))
    [stolen] = slots_of(foreign)
    put(small.store, names.slot(b"j" * 16), b"junk")
    put(small.store, names.slot(stolen.slot), bytes(foreign.store.get(names.slot(stolen.slot))))
    put(small.store, names.slot(b"i" * 16), key_slot.seal(impossible(true), bytes(32), bytes(32), bytes(12)))
    done = rotate(open_(small, 51, Secret(b"mine")), Secret(b"mine"))
    assert [slot.label for slot in done.kept] == ["mine", "recovery code"]
    assert {one.slot for one in done.damaged} == {b"j" * 16, stolen.slot}
    assert b"i" * 16 in {slot.slot for slot in done.left_behind}
    assert bytes(small.store.get(names.slot(b"j" * 16))) == b"junk"
    again = open_(small, 52, Secret(b"mine"))
    assert again.master.kid == 2
    slots.remove((b"j" * 16).hex(), again.master)
    assert {one.slot for one in slots.found(again.master.repository).damaged} == {stolen.slot}


def test_of_two_rotations_one_wins_and_the_other_changes_nothing(small):
    one, other = open_(small, 51), open_(small, 52)
    done = rotate(one, small.secret)
    slots = {slot.slot for slot in slots_of(small)}
    with pytest.raises(ConflictError):
        rotate(other, small.secret)
    assert {slot.slot for slot in slots_of(small)} == slots
    assert open_(small, 53).master.pin() == one.master.pin()
    assert open_(small, 53, Secret(done.recovery_code.encode())).master.kid == 2


def test_slots_of_a_rotation_that_died_count_for_nothing(small):
    inner = small.copied()
    with pytest.raises(SimulatedCrash):
        rotate(inner.open(deterministic_surroundings(51), Dying(inner.store, before=True)), inner.secret)
    repository = open_(inner, 52)
    assert repository.master.kid == 1
    [unfinished, _more] = [slot for slot in slots_of(inner) if slot.kid == 2]
    slots = KeySlots(inner.store, deterministic_surroundings(4))
    with pytest.raises(ConflictError, match="stays"):  # a rotation may be about to begin it
        slots.remove(unfinished.slot.hex(), repository.master)
    rotate(repository, inner.secret)
    again = open_(inner, 53)
    good = [slot for slot in slots_of(inner) if slot.is_of(again.master)]
    assert len(good) == 2
    with pytest.raises(ConflictError):  # the dead one does not count as the second
        slots.remove(good[0].slot.hex(), again.master)
    slots.remove(unfinished.slot.hex(), again.master)


def test_a_rotation_without_the_slot_that_opens_begins_nothing(small):
    repository = open_(small)
    for slot in slots_of(small):
        small.store.delete(names.slot(slot.slot))
    with pytest.raises(UnavailableError):
        rotate(repository, small.secret)
    assert slots_of(small) == []


def test_who_had_it_open_is_led_to_the_new_epoch(small):
    running = open_(small, 51)
    rotate(open_(small, 52), small.secret)
    back_up(open_(small, 53), "other", SECOND, "o")  # the ledger goes on under the new key
    back_up(running, DISK, SECOND, "s2", {"s1": FIRST})
    assert running.master.kid == 2
    assert len(list_points(open_(small, 54))) == 3


def test_who_had_it_open_and_is_left_behind_commits_nothing(small):
    KeySlots(small.store, deterministic_surroundings(4)).add_password(open_(small).master, b"theirs", "theirs")
    running = open_(small, 51, Secret(b"theirs"))
    rotate(open_(small, 52), small.secret)
    back_up(open_(small, 53), "other", SECOND, "o")
    with pytest.raises(WrongKeyError):
        back_up(running, "after", SECOND, "a")
    assert {point.workload for point in list_points(open_(small, 54))} == {DISK, "other"}


@pytest.mark.parametrize("summed", [False, True], ids=["batches", "checkpoint"])
def test_a_tenant_that_was_made_beside_a_rotation_counts_when_its_points_are_gone(small, summed, monkeypatch):
    """The new epoch does not vouch for it: the ledger does, by a session that it has known."""
    running = open_(small)

    def died(repository):
        raise UnavailableError("the network is gone", why="a cable", cure="plug it in")

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "hand_over", died)
        rotate(open_(small, 51), small.secret)
    session = open_session(running, "account-2", DISK)
    back_up(open_(small, 52), DISK, SECOND, "s2")
    if summed:
        monkeypatch.setattr(ledger_form, "CHECKPOINT_EVERY", 1)
    end_session(open_(small, 53), session.session, session.point_key)
    after = open_(small, 54)
    assert after.ledger.state.open == {}
    assert after.tenant("account-2").keys == session.tenant.keys
    rotate(after, small.secret)
    assert open_(small, 55).tenant("account-2").keys == session.tenant.keys


def test_a_batch_under_an_older_key_behind_one_of_a_newer_is_damage(small):
    """Whoever stole the old master key can continue the chain by its bytes; nobody believes it."""
    thief = open_(small, 51).master
    rotate(open_(small, 52), small.secret)
    back_up(open_(small, 53), "other", SECOND, "o")
    repository = open_(small, 54)
    state = repository.ledger.state
    point = list_points(repository)[0]
    time = "2026-11-26T00:00:00.000000Z"
    record = {"type": "retire", "session": point.session, "point": point.key, "time": time}
    batch = ledger_form.Batch(state.sequence + 1, state.head, time, (record,))
    forged = SealedStore(small.store, epochs_of(thief), deterministic_surroundings(9))
    forged.write(Kind.LEDGER_BATCH, names.ledger(state.sequence + 1), ledger_form.encode_batch(batch))
    ledger = open_(small, 55).ledger
    assert [error.objects for error in ledger.damage] == [(names.ledger(state.sequence + 1),)]
    assert point.session in ledger.state.live


def test_memory_follows_a_rotation_and_alarms_when_it_is_taken_back(small):
    memory = OneMemory()
    recognise(open_(small), memory)
    before = small.copied()
    rotate(open_(small, 52), small.secret)
    recognise(open_(small, 53), memory)
    with pytest.raises(RollbackError, match="key epoch 1"):
        recognise(open_(before), memory)
    recognise(open_(before), memory, accept=True)


def test_an_epoch_that_is_lost_or_forged_is_named(small):
    code = Secret(rotate(open_(small), small.secret).recovery_code.encode())
    lost, forged = small.copied(), small.copied()
    lost.store.delete(names.epoch(2))
    with pytest.raises(IntegrityError) as caught:
        open_(lost, 51, code)
    assert caught.value.objects == (names.epoch(2),)
    data = bytes(forged.store.get(names.CONFIG))
    put(forged.store, names.epoch(2), data)
    with pytest.raises(FormatError) as caught:
        open_(forged, 51, code)
    assert caught.value.objects == (names.epoch(2),)


def test_an_older_program_passes_over_the_new_slots(small):
    """What it knows is format 1."""
    rotate(open_(small), small.secret)
    formats = {slot.kid: slot.raw_head[slot.raw_head.index(b"format") + 6] for slot in slots_of(small)}
    assert formats == {1: 1, 2: 2}
    assert {slot.kid for slot in slots_of(small) if key_slot.CHECK in slot.parameters} == {2}


def test_headers_say_their_epoch(small):
    rotate(open_(small), small.secret)
    back_up(open_(small, 51), "other", SECOND, "o")
    batches = sorted(info.key for info in small.store.list(names.LEDGER))
    kids = [read_header(small.store.get(key), key).kid for key in batches]
    assert kids == sorted(kids)
    assert {*kids} == {1, 2}


def test_an_epoch_that_leaves_one_out_is_refused():
    key = bytes(32)
    for kid, older in ((1, {}), (2, {}), (3, {1: key}), (3, {2: key, 3: key}), (2**32 - 1, {1: key})):
        with pytest.raises(FormatError):
            epoch.decode(epoch.encode(Epoch(kid, older, "now")))


def test_who_ends_the_command_while_the_new_key_takes_over_gets_its_recovery_code(monkeypatch):
    small = make_small_repository(MemoryStore(), deterministic_surroundings(81))
    back_up(small.open(deterministic_surroundings(82)), DISK, FIRST, "s1")

    def ended(_repository):
        raise KeyboardInterrupt

    monkeypatch.setattr("holdfast.repository.upkeep.rotation.hand_over", ended)
    done = rotate(small.open(deterministic_surroundings(83)), small.secret)
    assert isinstance(done.not_handed_over, CancelledError)
    monkeypatch.undo()
    opened = open_repository(small.store, Secret(text=done.recovery_code.encode()), deterministic_surroundings(84))
    assert opened.master.kid == 2
    back_up(opened, DISK, FIRST, "s2")
    assert len(list_points(opened)) == 2


@pytest.mark.parametrize("times", [1, 2])
def test_a_rotation_cut_short_where_the_first_batches_are_gone_is_finished_by_who_writes_next(
    small, monkeypatch, times
):
    """In an immutable repository nobody renews the locks of batches that a checkpoint sums up (rule 9.2)."""
    monkeypatch.setattr(ledger_form, "CHECKPOINT_EVERY", 3)
    inner = small.copied()
    for number in range(2, 5):
        back_up(open_(inner, 50 + number), DISK, volume_of(number, 7), f"s{number}", None)
    summed = open_(inner, 60).ledger.begun_at
    assert summed is not None
    gone = [names.ledger(number) for number in range(1, summed.state.sequence)]
    for key in gone:
        inner.store.delete(key)
    for number in range(times):
        with pytest.raises(SimulatedCrash):
            rotate(inner.open(deterministic_surroundings(70 + number), Dying(inner.store, before=False)), inner.secret)
    after = open_(inner, 80)
    assert (after.master.kid, after.ledger.damage, after.ledger.kid) == (1 + times, [], 1)
    back_up(after, "other", FIRST, "o")
    again = open_(inner, 81)
    assert (again.ledger.damage, again.ledger.kid) == ([], 1 + times)
    assert len(list_points(again)) == 5
    assert [one.object for one in check_repository(again, 100, Silence()).damage] == gone


def test_a_checkpoint_that_a_past_key_alone_has_sealed_counts_for_nothing(small, monkeypatch):
    """Neither another one, nor another text under the name of the one that is vouched for."""
    monkeypatch.setattr(ledger_form, "CHECKPOINT_EVERY", 3)
    inner = small.copied()
    for number in range(2, 5):
        back_up(open_(inner, 50 + number), DISK, volume_of(number, 7), f"s{number}", None)
    past = open_(inner, 60)
    summed = past.ledger.begun_at
    assert summed is not None
    with pytest.raises(SimulatedCrash):
        rotate(inner.open(deterministic_surroundings(70), Dying(inner.store, before=False)), inner.secret)
    for sequence in (summed.state.sequence, summed.state.sequence + 100):
        forged = dataclasses.replace(summed.state, sequence=sequence, live={})
        inner.store.delete(names.checkpoint(sequence))
        past.sealed.write(Kind.LEDGER_CHECKPOINT, names.checkpoint(sequence), ledger_form.encode_checkpoint(forged))
    after = open_(inner, 80)
    assert after.ledger.begun_at is None
    assert len(list_points(after)) == 4
