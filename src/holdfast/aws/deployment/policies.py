"""Which rights the stack of a server gives: those of `aws/policies`, on what the stack makes."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.aws.deployment.stack_template import (
    ACCOUNT,
    BOUNDARY_ARN,
    KEY_ARN,
    PARTITION,
    QUEUE_ARN,
    REGION,
    RETRIEVAL_ROLE_ARN,
    StackPlan,
)
from holdfast.aws.policies.appliance import (
    ApplianceScope,
    RepositoryPlace,
    appliance_grants,
    retrieval_role_grants,
)
from holdfast.aws.policies.grants import MAX_ROLE_CHARACTERS, as_text, document
from holdfast.aws.policies.worker import worker_boundary_grants
from holdfast.aws.worker_rights import partition_of
from holdfast.domain.errors import UsageError

# What the template's words become, where characters are counted.
_SPELLED_OUT = {
    KEY_ARN: f"arn:{PARTITION}:kms:{REGION}:{ACCOUNT}:key/mrk-{'1' * 32}",
    QUEUE_ARN: f"arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:holdfast-events-{'1' * 12}",
    BOUNDARY_ARN: f"arn:{PARTITION}:iam::{ACCOUNT}:policy/holdfast/holdfast-{'1' * 12}-WorkerBoundary-{'1' * 13}",
    RETRIEVAL_ROLE_ARN: f"arn:{PARTITION}:iam::{ACCOUNT}:role/holdfast/holdfast-{'1' * 12}-RetrievalRole-{'1' * 13}",
}
# The role's other policy, which lets it boot.
_BOOT_CHARACTERS = 600
# What a repository's place bears whose bucket has Object Lock, or whose packs lie in an archive class.
_IMMUTABLE, _ARCHIVE = "immutable", "archive"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person adds: repositories (`BUCKET` or `BUCKET/PREFIX`), roles of other accounts, roles that restored
    instances may have, keys of the customer's that volumes and buckets of repositories are encrypted under, and whether
    processes beside an appliance move data.
    """

    repositories: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    instance_roles: tuple[str, ...] = ()
    volume_keys: tuple[str, ...] = ()
    repository_keys: tuple[str, ...] = ()
    local_workers: bool = False


def rights_of(options: Mapping[str, str]) -> Rights:
    """What the options of an installation ask for. Raises UsageError."""
    local = options.get("local-workers", "") or "no"
    if local not in ("yes", "no"):
        raise UsageError(f"local-workers={local}", why="it is yes or no", cure="write local-workers=yes")
    return Rights(
        repositories=_listed(options, "repositories"),
        roles=_listed(options, "roles"),
        instance_roles=_listed(options, "instance-roles"),
        volume_keys=_listed(options, "volume-keys"),
        repository_keys=_listed(options, "repository-keys"),
        local_workers=local == "yes",
    )


def stack_plan(server_id: str, rights: Rights, region: str) -> StackPlan:
    """The plan of a stack in a region. Raises UsageError for what is no bucket, role or key, or more than IAM takes."""
    repositories = tuple(_place(text) for text in rights.repositories)
    archives = tuple(place for place in repositories if place.archive)
    scope = ApplianceScope(
        partition=PARTITION,
        account_id=ACCOUNT,
        kms_key_arn=KEY_ARN,
        event_queue_arn=QUEUE_ARN,
        worker_boundary_arn=BOUNDARY_ARN,
        repositories=repositories,
        retrieval_role_arn=RETRIEVAL_ROLE_ARN if archives else None,
        restored_role_arns=tuple(_roles(text) for text in rights.instance_roles),
        production_role_arns=tuple(_role(text) for text in rights.roles),
        volume_key_arns=tuple(_key(text) for text in rights.volume_keys),
        repository_key_arns=tuple(_key(text) for text in rights.repository_keys),
        local_workers=rights.local_workers,
    )
    grants = appliance_grants(scope)
    _check_length(as_text(grants), region)
    immutable = tuple(sorted({place.bucket for place in scope.repositories if place.immutable}))
    boundary = worker_boundary_grants(PARTITION, ACCOUNT, KEY_ARN, QUEUE_ARN, immutable)
    retrieving = retrieval_role_grants(PARTITION, archives, scope.repository_key_arns) if archives else []
    return StackPlan(server_id, document(grants), document(boundary), document(retrieving) if retrieving else None)


def _check_length(text: str, region: str) -> None:
    known = {PARTITION: partition_of(region), REGION: region, ACCOUNT: "1" * 12}
    for word, value in {**_SPELLED_OUT, **known}.items():
        text = text.replace(word, value)
    characters = len(text) + _BOOT_CHARACTERS
    if characters > MAX_ROLE_CHARACTERS:
        raise UsageError(
            "the policy of appliances gets too long",
            why=f"with what the options name it has {characters} characters, and IAM takes {MAX_ROLE_CHARACTERS}",
            cure="name fewer things: a bucket in place of its prefixes, instance roles by a path (arn:…:role/shop/*), "
            "no local workers",
        )


def _listed(options: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in options.get(name, "").split(",") if part.strip())


def _place(text: str) -> RepositoryPlace:
    place, _, words = text.removeprefix("s3://").partition("?")
    options = set(words.split("&")) - {""}
    if options - {_IMMUTABLE, _ARCHIVE}:
        raise UsageError(
            f"{text!r} has an unknown option",
            why=f"there are `?{_IMMUTABLE}`, `?{_ARCHIVE}`, and both as `?{_ARCHIVE}&{_IMMUTABLE}`",
            cure="leave the others out",
        )
    bucket, _, prefix = place.partition("/")
    if not bucket or any(character in bucket for character in "*?${}"):
        raise UsageError(f"{text!r} names no bucket", why="BUCKET or BUCKET/PREFIX is meant", cure="name one bucket")
    return RepositoryPlace(bucket, prefix.strip("/"), immutable=_IMMUTABLE in options, archive=_ARCHIVE in options)


def _role(text: str) -> str:
    if not _is_arn(text, "iam", "role/") or "*" in text:
        raise UsageError(
            f"{text!r} is no role", why="the ARN of one role is meant", cure="write arn:aws:iam::ACCOUNT:role/NAME"
        )
    return text


def _roles(text: str) -> str:
    """One role, or those that begin so: only a person can say how many that are."""
    if not _is_arn(text, "iam", "role/") or "*" in text[:-1]:
        raise UsageError(
            f"{text!r} names no roles",
            why="the ARN of a role is meant, or one that ends with * for all that begin so",
            cure="write arn:aws:iam::ACCOUNT:role/NAME or arn:aws:iam::ACCOUNT:role/PATH/*",
        )
    return text


def _key(text: str) -> str:
    if not _is_arn(text, "kms", "key/") or "*" in text:
        raise UsageError(
            f"{text!r} is no key", why="the ARN of one KMS key is meant", cure="write arn:aws:kms:REGION:ACCOUNT:key/ID"
        )
    return text


def _is_arn(text: str, service: str, beginning: str) -> bool:
    parts = text.split(":", 5)
    return (
        len(parts) == 6
        and (parts[0], parts[2]) == ("arn", service)
        and parts[5].startswith(beginning)
        and not set(text) & set("?${}")
    )
