"""The rules of the EBS direct APIs, over the block store: what AWS's documentation says of the six operations.

Sources, named where a rule comes from: the API reference and botocore's model of service `ebs` (version 2019-11-02);
the user guide (https://docs.aws.amazon.com/ebs/latest/userguide/, pages readsnapshots, writesnapshots, ebsapi-elements,
ebsapi-faq, ebsapis-using-checksums, ebs-direct-api-idempotency, ebs-resource-quotas).
"""

import base64
import binascii
import hashlib
import itertools
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from holdfast.lab.blobs import digest_of
from holdfast.lab.block_map import compared
from holdfast.lab.block_store import BlockStore, NotOpenError
from holdfast.lab.ebs_errors import (
    AccessDeniedError,
    ConcurrentLimitExceededError,
    ConflictError,
    ResourceNotFoundError,
    ValidationError,
)
from holdfast.lab.records import NO_VOLUME, SnapshotRecord
from holdfast.lab.tokens import InvalidTokenError, TokenIssuer
from holdfast.repository.block_source import BLOCK_SIZE_BYTES

MIN_RESULTS = 100
MAX_RESULTS = 10_000
# How many blocks a page has when MaxResults is not given: AWS documents none; callers have to follow NextToken anyway.
DEFAULT_RESULTS = 1_000
MAX_VOLUME_GIB = 65_536
BLOCKS_PER_GIB = 1024**3 // BLOCK_SIZE_BYTES
# Quota "Pending snapshots per account": 100, not adjustable.
MAX_OPEN_SNAPSHOTS = 100
MAX_TAGS = 50
SNAPSHOT_ID = re.compile(r"snap-[0-9a-f]{1,59}")
KMS_KEY_ARN = re.compile(r"arn:aws[a-z\-]*:kms:.*:[0-9]{12}:key/.*")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and in which region."""

    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: (number, token of the first snapshot, token of the second); one of the two may be None."""

    blocks: list[tuple[int, str | None, str | None]]
    next_token: str | None
    expiry: int
    size_gib: int


@dataclass(frozen=True, slots=True)
class StartRequest:
    """The parameters of StartSnapshot."""

    size_gib: int
    parent_id: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    client_token: str | None = None
    encrypted: bool | None = None
    kms_key_arn: str | None = None
    timeout_minutes: int = 60


def invalid(message: str, reason: str = "INVALID_PARAMETER_VALUE") -> ValidationError:
    """The commonest error."""
    return ValidationError(reason, message)


class EbsDirect:
    """The six operations. `announce` makes a started snapshot known to EC2, where DescribeSnapshots shows it;
    `key_of_new` says of an account, a region and whether it is asked for under which key a new snapshot is encrypted
    that names none, if it is at all.
    """

    def __init__(
        self,
        store: BlockStore,
        tokens: TokenIssuer,
        now: Callable[[], float],
        pending_seconds: float,
        announce: Callable[[SnapshotRecord], None],
        key_of_new: Callable[[str, str, bool], str | None],
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._now = now
        self._pending_seconds = pending_seconds
        self._announce = announce
        self._key_of_new = key_of_new
        self._started: dict[tuple[Caller, str], tuple[StartRequest, SnapshotRecord]] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- reading

    def list_snapshot_blocks(
        self, caller: Caller, snapshot_id: str, next_token: str | None, max_results: int | None, starting: int
    ) -> Page:
        """The blocks that were written, ascending. A page token overrules `starting`."""
        record = self._readable(caller, snapshot_id)
        limit = _page_limit(max_results)
        listing = f"blocks|{snapshot_id}"
        first = self._page_start(next_token, listing, starting)
        issue = self._tokens.block_tokens(snapshot_id)
        found = list(itertools.islice(self._store.blocks(snapshot_id).entries(first), limit + 1))
        more = self._tokens.page_token(listing, found[limit][0]) if len(found) > limit else None
        blocks: list[tuple[int, str | None, str | None]] = [(n, issue(n, digest), None) for n, digest in found[:limit]]
        return Page(blocks, more, self._tokens.block_expiry(), record.size_gib)

    def list_changed_blocks(
        self,
        caller: Caller,
        first_id: str | None,
        second_id: str,
        next_token: str | None,
        max_results: int | None,
        starting: int,
    ) -> Page:
        """The blocks that differ between two snapshots of one lineage, ascending.

        A page looks at `max_results` blocks that are in either snapshot and may therefore list fewer, or none, and
        still have a successor (user guide, readsnapshots). A block that is gone from the second snapshot has no second
        token.
        """
        if not first_id:
            raise invalid("FirstSnapshotId must be specified together with SecondSnapshotId")
        first, second = self._readable(caller, first_id), self._readable(caller, second_id)
        if first.lineage != second.lineage:
            raise ValidationError(
                "UNRELATED_SNAPSHOTS", f"The snapshots {first_id} and {second_id} are not of the same lineage."
            )
        limit = _page_limit(max_results)
        listing = f"changes|{first_id}|{second_id}"
        start = self._page_start(next_token, listing, starting)
        of_first, of_second = self._tokens.block_tokens(first_id), self._tokens.block_tokens(second_id)
        union = compared(self._store.blocks(first_id).entries(start), self._store.blocks(second_id).entries(start))
        blocks: list[tuple[int, str | None, str | None]] = [
            (number, a and of_first(number, a), b and of_second(number, b))  # type: ignore[misc]
            for number, a, b in itertools.islice(union, limit)
            if a != b
        ]
        following = next(union, None)
        more = self._tokens.page_token(listing, following[0]) if following else None
        return Page(blocks, more, self._tokens.block_expiry(), second.size_gib)

    def get_snapshot_block(self, caller: Caller, snapshot_id: str, number: int, token: str) -> tuple[bytes, str]:
        """A block and its checksum."""
        record = self._readable(caller, snapshot_id)
        _check_number(number, record)
        try:
            digest = self._tokens.digest_of_block(token, snapshot_id, number)
        except InvalidTokenError as error:
            raise ValidationError("INVALID_BLOCK_TOKEN", f"The block token is invalid: {error}.") from None
        try:
            return self._store.read(digest), base64.b64encode(digest).decode()
        except FileNotFoundError:
            raise _not_found(snapshot_id) from None

    # ------------------------------------------------------------------------------------------------------- writing

    def start_snapshot(self, caller: Caller, request: StartRequest) -> SnapshotRecord:
        """Begin a snapshot; the same client token with the same parameters gives the snapshot begun the first time."""
        with self._lock:
            key = (caller, request.client_token or "")
            earlier = self._started.get(key) if request.client_token else None
            if earlier is not None:
                if earlier[0] != request:
                    raise ConflictError("", "The client token was used before, with other parameters.")
                return earlier[1]
            record = self._new_snapshot(caller, request)
            self._store.start(record)
            if request.client_token:
                self._started[key] = (request, record)
        self._announce(record)
        return record

    def _new_snapshot(self, caller: Caller, request: StartRequest) -> SnapshotRecord:
        _check_start(request)
        if self._store.open_count(caller.account, caller.region) >= MAX_OPEN_SNAPSHOTS:
            raise ConcurrentLimitExceededError("", f"At most {MAX_OPEN_SNAPSHOTS} snapshots can be written at once.")
        parent = self._readable(caller, request.parent_id) if request.parent_id else None
        if parent is not None and request.size_gib < parent.size_gib:
            raise ValidationError("INVALID_VOLUME_SIZE", "The volume is smaller than that of the parent snapshot.")
        key = request.kms_key_arn or self._key_of_new(caller.account, caller.region, bool(request.encrypted))
        if parent is not None and not parent.encrypted and key is not None:
            # "Encryption outcomes for EBS direct APIs" in the EBS user guide.
            raise invalid("Encryption by default is enabled, and the parent snapshot is not encrypted.")
        snapshot_id = f"snap-0{os.urandom(8).hex()}"
        return SnapshotRecord(
            id=snapshot_id,
            account=caller.account,
            region=caller.region,
            volume_id=NO_VOLUME,
            size_gib=request.size_gib,
            lineage=parent.lineage if parent else snapshot_id,
            started_at=self._now(),
            completed_at=None,
            description=request.description,
            parent_id=request.parent_id,
            encrypted=parent.encrypted if parent else key is not None,
            kms_key_id=parent.kms_key_id if parent else key,
            timeout_seconds=60 * request.timeout_minutes,
            tags=request.tags,
        )

    def put_snapshot_block(self, caller: Caller, snapshot_id: str, number: int, data: bytes, checksum: str) -> None:
        """Write a block; `checksum` is the base64 SHA-256 that the caller computed."""
        record = self._writable(caller, snapshot_id)
        _check_number(number, record)
        if len(data) != BLOCK_SIZE_BYTES:
            raise invalid(f"The block data has {len(data)} bytes; blocks have {BLOCK_SIZE_BYTES}.")
        digest = digest_of(data)
        if _decoded(checksum) != digest:
            raise invalid("The checksum does not match the block data.")
        try:
            self._store.put(snapshot_id, number, digest, data)
        except NotOpenError:
            raise _not_pending(snapshot_id) from None

    def complete_snapshot(
        self, caller: Caller, snapshot_id: str, changed_blocks_count: int, checksum: str | None
    ) -> str:
        """Seal the snapshot and return its state. `checksum` is the LINEAR aggregate, or None to have it not checked.

        The aggregate is the SHA-256 over the checksums of all blocks written, as bytes, in ascending order of their
        numbers.
        """
        self._writable(caller, snapshot_id)
        with self._lock:
            try:
                written = self._store.written(snapshot_id)
            except NotOpenError:
                raise _not_pending(snapshot_id) from None
            if changed_blocks_count != len(written):
                raise invalid(f"ChangedBlocksCount is {changed_blocks_count}, but {len(written)} blocks were written.")
            if checksum is not None:
                aggregate = hashlib.sha256(b"".join(digest for _, digest in sorted(written.items()))).digest()
                if _decoded(checksum) != aggregate:
                    raise invalid("The aggregated checksum does not match the blocks that were written.")
            record = self._store.complete(snapshot_id, self._now() + self._pending_seconds)
        return self._store.state(record)

    # -------------------------------------------------------------------------------------------------------- lookup

    def _known(self, caller: Caller, snapshot_id: str) -> SnapshotRecord:
        if not SNAPSHOT_ID.fullmatch(snapshot_id):
            raise ValidationError("INVALID_SNAPSHOT_ID", f"'{snapshot_id}' is not a snapshot id.")
        record = self._store.snapshot(snapshot_id)
        if record is None or record.region != caller.region:
            raise _not_found(snapshot_id)
        return record

    def _readable(self, caller: Caller, snapshot_id: str) -> SnapshotRecord:
        """A completed snapshot of the caller's, or one shared with it by account id: public ones are not supported."""
        record = self._known(caller, snapshot_id)
        if caller.account != record.account and caller.account not in record.shared_with:
            raise AccessDeniedError("UNAUTHORIZED_ACCOUNT", f"The snapshot '{snapshot_id}' belongs to another account.")
        if record.archived:
            raise ValidationError("INVALID_SNAPSHOT_ID", f"The snapshot '{snapshot_id}' is archived.")
        state = self._store.state(record)
        if state != "completed":
            raise ValidationError("INVALID_SNAPSHOT_ID", f"The snapshot '{snapshot_id}' is in state {state}.")
        return record

    def _writable(self, caller: Caller, snapshot_id: str) -> SnapshotRecord:
        record = self._known(caller, snapshot_id)
        if caller.account != record.account:
            raise AccessDeniedError("UNAUTHORIZED_ACCOUNT", f"The snapshot '{snapshot_id}' belongs to another account.")
        if record.completed_at is not None:
            raise _not_pending(snapshot_id)
        if self._store.state(record) == "error":
            raise ValidationError("WRITE_REQUEST_TIMEOUT", f"The snapshot '{snapshot_id}' was not completed in time.")
        return record

    def _page_start(self, next_token: str | None, listing: str, starting: int) -> int:
        if next_token is None:
            if starting < 0:
                raise invalid("StartingBlockIndex must not be negative")
            return starting
        try:
            return self._tokens.page_start(next_token, listing)
        except InvalidTokenError as error:
            raise ValidationError("INVALID_PAGE_TOKEN", f"The page token is invalid: {error}.") from None


def _not_found(snapshot_id: str) -> ResourceNotFoundError:
    return ResourceNotFoundError("SNAPSHOT_NOT_FOUND", f"The snapshot '{snapshot_id}' does not exist.")


def _not_pending(snapshot_id: str) -> ValidationError:
    return ValidationError("INVALID_SNAPSHOT_ID", f"No blocks can be written to the snapshot '{snapshot_id}' any more.")


def _page_limit(max_results: int | None) -> int:
    """At least 100 are returned even where fewer are asked for (ebsapi-faq); more than 10,000 break the API's range."""
    if max_results is None:
        return DEFAULT_RESULTS
    if not 0 < max_results <= MAX_RESULTS:
        raise invalid(f"MaxResults must be between {MIN_RESULTS} and {MAX_RESULTS}")
    return max(max_results, MIN_RESULTS)


def _check_number(number: int, record: SnapshotRecord) -> None:
    if not 0 <= number < record.size_gib * BLOCKS_PER_GIB:
        raise ValidationError("INVALID_BLOCK", f"Block {number} is not within the volume.")


def _check_start(request: StartRequest) -> None:
    if not 1 <= request.size_gib <= MAX_VOLUME_GIB:
        raise ValidationError("INVALID_VOLUME_SIZE", f"VolumeSize must be between 1 and {MAX_VOLUME_GIB} GiB.")
    if request.parent_id is not None and request.encrypted is not None:
        raise invalid("ParentSnapshotId and Encrypted exclude each other.")
    if request.kms_key_arn is not None and not request.encrypted:
        raise invalid("KmsKeyArn needs Encrypted.")
    if request.kms_key_arn is not None and not KMS_KEY_ARN.fullmatch(request.kms_key_arn):
        raise ValidationError("INVALID_CUSTOMER_KEY", "KmsKeyArn is not the ARN of a KMS key.")
    if not 10 <= request.timeout_minutes <= 4320:
        raise invalid("Timeout must be between 10 and 4320 minutes.")
    if len(request.description) > 255:
        raise invalid("Description has more than 255 characters.")
    if len(request.tags) > MAX_TAGS or any(not key or key.startswith("aws:") for key in request.tags):
        raise ValidationError("INVALID_TAG", f"At most {MAX_TAGS} tags, and none that begins with 'aws:'.")


def _decoded(checksum: str) -> bytes:
    try:
        return base64.b64decode(checksum, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("The checksum is no base64.") from None
