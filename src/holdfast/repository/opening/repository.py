"""Make a repository, or open one: from a store and a secret to something that reads and writes restore points."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import (
    ConflictError,
    FormatError,
    IntegrityError,
    LeaseHeldError,
    NotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    UsageError,
)
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.crypto.keys import KEY_BYTES, MasterKey, TenantKeys, tenant_id
from holdfast.repository.format import config as config_form
from holdfast.repository.format import key_slot, names
from holdfast.repository.format import tenant as tenant_form
from holdfast.repository.format.config import LARGE_PACK_SIZE_BYTES, PACK_SIZE_BYTES, Config
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.format.tenant import Tenant
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.keys.epochs import KeyEpochs, first_epoch, unlock
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.keys.slots import KeySlots, KeyWrapper, PasswordCost, Secret
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.opening.ledger import Ledger
from holdfast.repository.opening.plans import plan_to_read_by
from holdfast.repository.opening.single_writer.guarded_store import GuardedStore
from holdfast.repository.opening.single_writer.lease import Holder, Lease
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.lock_terms import locking_from, require_lockable, time_by
from holdfast.repository.trust.locking_store import LockingStore
from holdfast.repository.trust.older_versions import Opened, open_newest_good
from holdfast.repository.trust.probe import winners_of_one_name

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Repository:
    """An open repository. `ledger` has been read to its end; nothing has been written."""

    store: ObjectStore
    surroundings: Surroundings
    config: Config
    sealed: SealedStore
    ledger: Ledger
    _tenants: dict[bytes, Tenant] = field(default_factory=dict)
    _guarded: GuardedStore | None = None

    def give_back(self) -> None:
        """In single-writer mode: nothing more is written by this party, others may (rule 8.2). Raises
        SecondWriterError where somebody did already.
        """
        if self._guarded is not None:
            self._guarded.give_back()

    def take_over_lease(self) -> tuple[Holder, ...]:
        """In single-writer mode: the lease of parties that are dead becomes this one's (rule 8.4); who they were.
        Raises LeaseHeldError while one may be alive, UsageError in another mode.
        """
        if self._guarded is None:
            raise UsageError(
                f"the repository at {self.store.location} has no lease",
                why="it is not in single-writer mode: as many as like may write in it",
                cure="there is nothing to take over",
            )
        return self._guarded.take_over()

    @property
    def epochs(self) -> KeyEpochs:
        """The master keys of every key epoch."""
        return self.sealed.epochs

    @property
    def master(self) -> MasterKey:
        """The master key of the newest key epoch that is known: what is written now is sealed under it."""
        return self.epochs.newest

    def now(self) -> datetime:
        """By what promises are judged: the store's clock where it tells the time, else this machine's (rule 9.4)."""
        return time_by(self.store, self.surroundings.now)

    def clock_ahead(self) -> timedelta:
        """How far this machine's clock is ahead of the store's; nothing where that has none."""
        there = self.store.time()
        return timedelta(0) if there is None else self.surroundings.now() - there

    def tenant(self, name: str = DEFAULT_TENANT) -> Tenant:
        """The tenant's keys. Raises ObjectNotFoundError where it was never made, IntegrityError where it is missing."""
        tenant = self.tenant_by_id(self.tenant_id(name))
        if tenant.name != name:
            raise ConflictError(
                f"tenant {name} is stored as {tenant.name}",
                why="two names have one id",
                cure="name the tenant otherwise",
            )
        return tenant

    def tenant_id(self, name: str) -> bytes:
        """The 16 bytes that stand for a tenant's name in keys."""
        return tenant_id(self.config.name_key, name, self.config.suite)

    def tenant_by_id(self, identifier: bytes) -> Tenant:
        """The same, from the id in a key."""
        if identifier not in self._tenants:
            self._tenants[identifier] = self._made_tenant(names.tenant(identifier), names.points_of(identifier))
        return self._tenants[identifier]

    def _made_tenant(self, key: str, points: str) -> Tenant:
        """Where it has points it was made, and nobody makes it anew: what is not there is missing."""
        try:
            return self._read_tenant(key)
        except ObjectNotFoundError:
            if not self._any_points(points):
                raise
        try:
            return self._read_tenant(key)  # it may have been made, and used, since
        except ObjectNotFoundError as error:
            raise IntegrityError(
                f"{key} is missing, and there are restore points of that tenant",
                why="the keys in it name their chunks; with new ones none of them would open",
                cure="bring it back from a copy of the store, or from the bucket's older versions; where there is none,"
                " back up under another tenant's name or into a new repository: under this one none is written",
                objects=(key,),
            ) from error

    def _any_points(self, prefix: str) -> bool:
        """By the ledger, or by a LIST: what it shows is a fact (rule 5)."""
        return self.ledger.state.has_known(names.tenant_word(prefix)) or any(objects_under(self.store, prefix))

    def _read_tenant(self, key: str) -> Tenant:
        body = self.sealed.counting(Kind.TENANT, key, lambda data: self._tenant_body(key, data))
        return tenant_form.decode(body, self.config.suite)

    def _tenant_body(self, key: str, data: Buffer) -> bytes:
        body = self.sealed.open(key, data, Kind.TENANT)[1]
        self.require_counted(key, data)
        return body

    def require_counted(self, key: str, data: Buffer) -> None:
        """Raises FormatError for a tenant of who has a past key alone (section 21). Where the newest epoch knows
        nothing of it, because it was made just then, the ledger tells by sessions that it has known of it.
        """
        known = key in self.epochs.vouching.digests
        if known or not self.ledger.state.has_known(key.removeprefix(names.TENANTS)):
            self.epochs.vouching.require(key, data)

    def promising(self, until: datetime | None) -> "Repository":
        """The same repository for a session with that promise: what it writes is locked as long (rule 9.1). The ledger
        is the same.
        """
        if not self.config.immutable or until is None:
            return self
        store = LockingStore(self.store, locking_from(self.now, until))
        return replace(self, store=store, sealed=SealedStore(store, self.epochs, self.surroundings, first_counts=True))

    def access(self, name: str = DEFAULT_TENANT) -> TenantAccess:
        """The way to a tenant's packs and index runs, with all keys. Raises ObjectNotFoundError for no tenant."""
        return self.access_with(self.tenant_id(name), self.tenant(name).keys)

    def access_with(self, identifier: bytes, keys: TenantKeys) -> TenantAccess:
        """The same for a tenant whose keys are at hand."""
        prefix = names.index_runs(identifier)
        return TenantAccess(
            store=self.store,
            surroundings=self.surroundings,
            keys=self.epochs.key_ring(identifier, keys.id_key),
            pack_size_bytes=self.config.pack_size_bytes,
            index_runs=lambda: dict.fromkeys([*self._runs_in_force(prefix), *self._runs_listed(prefix)]),
            archive_class=self.config.archive_class,
        )

    def _runs_in_force(self, prefix: str) -> Iterator[str]:
        """By name: a LIST may leave one out (rule 5). What has moved is found in those that are of no live point."""
        live = self.ledger.state.live
        named = [key for key in plan_to_read_by(self.sealed).index_runs if key.startswith(prefix)]
        return iter(sorted(named, key=lambda key: (names.session_of_run(key) in live, key)))

    def _runs_listed(self, prefix: str) -> Iterator[str]:
        return (info.key for info in objects_under(self.store, prefix))

    def known_tenants(self) -> tuple[bytes, ...]:
        """The ids of tenants whose keys were asked for since the repository was opened."""
        return tuple(self._tenants)

    def ensure_tenant(self, name: str) -> Tenant:
        """The tenant's keys, made now where it is new; of two makers one wins and both use its keys."""
        try:
            return self.tenant(name)
        except ObjectNotFoundError:
            _make_tenant(self.sealed, self.config, name)
            return self.tenant(name)


@dataclass(frozen=True, slots=True, repr=False)
class NewRepository:
    """What `create_repository` hands back; the recovery code is shown once and kept nowhere."""

    repository: Repository
    recovery_code: str


def create_repository(
    store: ObjectStore,
    surroundings: Surroundings,
    *,
    password: bytes | None = None,
    cost: PasswordCost | None = None,
    wrapper: KeyWrapper | None = None,
    kms_key: str | None = None,
    archive_class: ArchiveClass | None = None,
    suite: int = DEFAULT_SUITE,
    immutable: bool = False,
) -> NewRepository:
    """Make a repository where none is: probe the store, write the key slots, then `config`, which makes it one. With
    `archive_class` it is one of class archive (section 6), for ever.

    In a store that ignores If-None-Match it is in single-writer mode, for ever (rule 8). Raises ConflictError when one
    is there already, or is being made; UsageError for an `immutable` one where nothing can be locked.
    """
    if immutable:
        require_lockable(store)
    for prefix in (names.CONFIG, names.LEDGER, names.POINTS, names.PACKS):
        taken = next(store.list(prefix), None) or (next(store.versions(prefix), None) if immutable else None)
        if taken is not None:
            raise ConflictError(
                f"there is something at {store.location} already",
                why=f"it holds {taken.key}",
                cure="choose an empty location, or use the repository that is there; where its recovery code was not "
                "shown, `holdfast repository key add --recovery` makes another one",
            )
    single_writer = winners_of_one_name(store, surroundings) != 1
    if immutable and single_writer:
        raise _not_both(store)
    plain = store
    if immutable:
        store = LockingStore(store, locking_from(surroundings.now))
    repository_id = surroundings.random_bytes(16)
    master = MasterKey(surroundings.random_bytes(KEY_BYTES), repository_id, suite=suite)
    slots = KeySlots(store, surroundings)
    made = [] if password is None else [slots.add_password(master, password, "first password", cost)]
    if kms_key is not None and wrapper is not None:
        made.append(slots.add_kms(master, wrapper, kms_key, kms_key))
    recovery_slot, recovery_code = slots.add_recovery(master, "recovery code")
    secret = Secret(recovery_code.encode() if password is None else password)
    epochs = first_epoch(store, surroundings, master, recovery_slot, secret, marked=immutable)
    sealed = SealedStore(store, epochs, surroundings)
    guarded = GuardedStore(store, Lease(sealed)) if single_writer else None
    config = Config(
        suite=suite,
        repository=repository_id,
        name_key=surroundings.random_bytes(KEY_BYTES),
        created=surroundings.timestamp(),
        block_size_bytes=BLOCK_SIZE_BYTES,
        pack_size_bytes=LARGE_PACK_SIZE_BYTES if immutable or archive_class is not None else PACK_SIZE_BYTES,
        archive_class=archive_class,
        immutable=immutable,
        single_writer=single_writer,
    )
    with _alone(guarded, slots, [*made, recovery_slot]):
        _found(store if guarded is None else guarded, epochs, surroundings, config)
    return NewRepository(_opened(plain, surroundings, config, epochs), recovery_code)


def _found(store: ObjectStore, epochs: KeyEpochs, surroundings: Surroundings, config: Config) -> None:
    """The first tenant, then `config`, which makes it a repository."""
    sealed = SealedStore(store, epochs, surroundings)
    _make_tenant(sealed, config, DEFAULT_TENANT)
    try:
        sealed.write(Kind.CONFIG, names.CONFIG, config_form.encode(config))
    except ObjectExistsError as error:
        _sweep(store)
        raise ConflictError(
            f"somebody else made a repository at {store.location} at this moment",
            why="its `config` came first",
            cure="use that repository, or choose another location",
        ) from error
    _sweep(store)


@contextmanager
def _alone(guarded: GuardedStore | None, slots: KeySlots, made: list[KeySlot]) -> Iterator[None]:
    """In single-writer mode nobody else makes a repository here meanwhile: who is refused takes his slots back."""
    if guarded is None:
        yield
        return
    try:
        yield
    except LeaseHeldError:
        slots.withdraw(made)
        raise
    finally:
        guarded.give_back()


def _not_both(store: ObjectStore) -> UsageError:
    return UsageError(
        f"{store.location} cannot hold an immutable repository",
        why="it ignores If-None-Match, and what keeps Object Lock honours that",
        cure="use a bucket of AWS S3, or leave --immutable out: then the repository is in single-writer mode",
    )


def open_repository(store: ObjectStore, secret: Secret, surroundings: Surroundings) -> Repository:
    """Unlock, check, and read the ledger to its end.

    Raises NotFoundError (no repository), WrongKeyError, IntegrityError (damage, named), UnsupportedFormatError (newer).
    """

    def unlocked(data: Buffer) -> tuple[KeyEpochs, Config]:
        epochs, config = unlock(store, surroundings, data, secret)
        if config.suite != epochs.newest.suite:
            raise FormatError(
                f"{names.CONFIG} is of suite {config.suite}",
                why=f"the key slots are of suite {epochs.newest.suite}: one of them was replaced",
                cure="bring both back from one copy of the store",
                key=names.CONFIG,
            )
        return epochs, config

    epochs, config = _by_config(store, unlocked)
    return _opened(store, surroundings, config, epochs)


def repository_id(store: ObjectStore) -> bytes:
    """Whose `config` that is, as its clear header says; the key proves it. Raises NotFoundError, IntegrityError."""
    return _by_config(store, lambda data: read_header(data, names.CONFIG).repository)


def _by_config(store: ObjectStore, opened: Callable[[Buffer], Opened]) -> Opened:
    try:
        return open_newest_good(store, names.CONFIG, opened)
    except ObjectNotFoundError as error:
        raise NotFoundError(
            f"there is no repository at {store.location}",
            why="it has no object `config`",
            cure="check the location, or make one with `holdfast repository init`",
        ) from error


def _opened(store: ObjectStore, surroundings: Surroundings, config: Config, epochs: KeyEpochs) -> Repository:
    if config.immutable:
        plain = store
        store = LockingStore(store, locking_from(lambda: time_by(plain, surroundings.now)))
    guarded = None
    if config.single_writer:
        store = guarded = GuardedStore(store, Lease(SealedStore(store, epochs, surroundings)))
    sealed = SealedStore(store, epochs, surroundings, first_counts=config.immutable)
    ledger = Ledger(sealed)
    ledger.open(hidden=config.immutable)
    if epochs.doubt is not None:  # records may follow that are sealed under a key which is not known here
        ledger.damage.append(epochs.doubt)
    return Repository(store, surroundings, config, sealed, ledger, _guarded=guarded)


def require_many_writers(repository: Repository) -> None:
    """Raises UsageError for a repository in single-writer mode: policies have several sessions write at once."""
    if repository.config.single_writer:
        raise UsageError(
            f"the repository at {repository.store.location} is in single-writer mode",
            why="its store ignores If-None-Match, so one party writes at a time; appliances and workers are several",
            cure="use a repository in a store with conditional writes (AWS S3), and `holdfast repository copy` to have "
            "its points here, too",
        )


def require_class(repository: Repository, asked: ArchiveClass | None) -> None:
    """Raises ConflictError where somebody asks for a class that the repository is not of: it never changes. Who asks
    for none takes it as it is.
    """
    made = repository.config.archive_class
    if asked in (None, made):
        return
    what = "class standard" if made is None else f"class archive in {made}"
    raise ConflictError(
        f"the repository at {repository.store.location} is of {what}",
        why=f"the location asks for class archive in {asked}, and a repository's class never changes",
        cure="leave `class` and `storage_class` out of the location, or make a new repository at another one",
    )


def _sweep(store: ObjectStore) -> None:
    """Remove what other attempts left: whoever's `config` stands has won, so slots and tenants of another id are
    nobody's. What is no slot and no tenant stays: a check names it.
    """
    winner = read_header(store.get(names.CONFIG), names.CONFIG).repository
    for info in [*objects_under(store, names.KEYS), *objects_under(store, names.TENANTS)]:
        try:
            owner = _owner(info.key, store.get(info.key))
        except IntegrityError:
            continue
        if owner != winner:
            store.delete(info.key)


def _owner(key: str, data: Buffer) -> bytes:
    return (key_slot.decode if key.startswith(names.KEYS) else read_header)(data, key).repository


def _make_tenant(sealed: SealedStore, config: Config, name: str) -> None:
    keys = TenantKeys(sealed.surroundings.random_bytes(KEY_BYTES), sealed.surroundings.random_bytes(KEY_BYTES))
    tenant = Tenant(name=name, keys=keys, created=sealed.surroundings.timestamp())
    try:
        sealed.write(
            Kind.TENANT, names.tenant(tenant_id(config.name_key, name, config.suite)), tenant_form.encode(tenant)
        )
    except ObjectExistsError:
        return  # another maker won; its keys are the tenant's
