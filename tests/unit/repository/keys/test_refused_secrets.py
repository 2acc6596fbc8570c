"""Whose secret opens nothing, or may be none, is told why and how to go on."""

import pytest

from holdfast.domain.errors import FormatError, IntegrityError, UsageError, WrongKeyError
from holdfast.repository.crypto.password import print_recovery_code
from holdfast.repository.format import names
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository, put


class KeyService:
    """Never asked: no slot is its own."""

    def wrap(self, key_id, plaintext, context):
        raise NotImplementedError

    def unwrap(self, blob, context, key_id=None):
        raise NotImplementedError


class Site:
    """A repository with one slot, of a recovery code."""

    def __init__(self):
        small = make_small_repository(MemoryStore(), deterministic_surroundings(1))
        self.store, self.secret = small.store, small.secret
        self.slots = KeySlots(self.store, deterministic_surroundings(2))
        self.master = small.open(deterministic_surroundings(3)).master
        [self.key] = [info.key for info in self.store.list(names.KEYS)]

    def opened(self, secret, repository=None):
        return list(self.slots.opened(repository or self.master.repository, secret))


@pytest.fixture
def site():
    return Site()


CHECK = "check the password file; the recovery code opens the repository too"
ADD = "a password or the recovery code opens it; `holdfast repository key add --kms-key KEY` adds a KMS key"
NONE_OF_ITS_OWN = "the password, code or KMS key given is none of its own (slots of kind recovery)"


@pytest.mark.parametrize(
    ("secret", "why", "cure"),
    [
        (Secret(), "neither a password nor a key service was given; it has slots of kind recovery", CHECK),
        (Secret(wrapper=KeyService()), "no KMS key was ever added; it has slots of kind recovery", ADD),
        (Secret(text=b"wrong"), NONE_OF_ITS_OWN, CHECK),
        (Secret(text=b"\xff no text"), NONE_OF_ITS_OWN, CHECK),
    ],
    ids=["nothing", "key service", "password", "bytes"],
)
def test_a_secret_that_opens_no_slot(site, secret, why, cure):
    with pytest.raises(WrongKeyError) as told:
        site.opened(secret)
    assert (told.value.why, told.value.cure) == (why, cure)


def test_a_repository_without_slots(site):
    site.store.delete(site.key)
    with pytest.raises(WrongKeyError, match=r"\(it has none: they were removed, or have not arrived yet\)$"):
        site.opened(site.secret)


def test_slots_of_another_repository_than_the_configs(site):
    with pytest.raises(FormatError, match=r"different repositories \(their headers name different ids") as told:
        site.opened(site.secret, b"x" * 16)
    assert told.value.objects == (names.CONFIG,)


def test_a_damaged_slot(site):
    put(site.store, site.key, bytes(site.store.get(site.key))[:-1])
    with pytest.raises(IntegrityError, match=f"^{site.key} is damaged") as told:
        site.opened(site.secret)
    assert told.value.cure.startswith("give the password, recovery code or KMS key of another slot")


@pytest.mark.parametrize(
    ("password", "what"),
    [
        (b"", "the password is empty"),
        (print_recovery_code(bytes(32)).encode(), "the password has the form of a recovery code"),
    ],
    ids=["empty", "code"],
)
def test_a_password_that_may_be_none(site, password, what):
    with pytest.raises(UsageError, match=f"^{what}") as told:
        site.slots.add_password(site.master, password, "mine")
    assert told.value.cure == "choose another"
    assert [info.key for info in site.store.list(names.KEYS)] == [site.key]
