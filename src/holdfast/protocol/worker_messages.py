"""What an appliance tells a worker and what a worker tells it: one pointer to a task, then events.

A pointer holds no secret in clear: the task itself lies sealed in the repository, and the one key to it is wrapped by
KMS for one instance. Queues deliver at least once and in any order: a `WorkerEvent`'s `sequence` tells both.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from holdfast.domain.errors import FormatError, HoldfastError, UnsupportedFormatError, damaged_objects

FORMAT = 1
# What a message of SQS may hold (Amazon SQS Developer Guide, "Quotas").
MAX_MESSAGE_BYTES = 256 * 1024
# Longer texts are cut where an event is made: a line that is read from a pipe has at most 64 KiB, a message more.
MAX_TEXT_CHARACTERS = 1000
# So many damaged objects are named in an event, by keys that are no longer; one is enough to look for the others.
MAX_OBJECTS, MAX_KEY_CHARACTERS = 8, 128
# The names in the encryption context of a wrapped key; KMS compares them exactly.
CONTEXT_SESSION, CONTEXT_ATTEMPT, CONTEXT_USER_ID = "holdfast:session", "holdfast:attempt", "holdfast:userid"

_ID = re.compile(r"[0-9a-f]{32}")
T = TypeVar("T")


class TaskKind(StrEnum):
    """What a worker may be asked to do."""

    BACKUP = "backup"
    COPY = "copy"
    RESTORE = "restore"
    VERIFY = "verify"


class EventType(StrEnum):
    """The types of events: `done` and `failed` are the last of an attempt."""

    STARTED = "started"
    PROGRESS = "progress"
    LOG = "log"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskPointer:
    """Where a task lies and how its key is unwrapped. `session` and `repository` are ids in hexadecimal.

    A worker that is a process of the appliance gets its key beside the pointer: then `wrapped_key` is empty, as are
    `kms_key_id`, `encryption_context`, `events_queue_url` and `appliance`, for whom the events in that queue are.
    """

    session: str
    attempt: int
    kind: TaskKind
    location: str
    repository: str
    kid: int
    region: str
    kms_key_id: str = ""
    wrapped_key: bytes = b""
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    events_queue_url: str = ""
    appliance: str = ""

    @property
    def name(self) -> str:
        """How a person calls the attempt."""
        return f"{self.kind} {self.session}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True)
class EventError:
    """An error as it is told: the code of docs/errors.md, its three lines, and `objects` that it names as damaged."""

    code: str
    what: str
    why: str
    cure: str
    objects: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: HoldfastError) -> "EventError":
        """What the error says, each line short enough for a message."""
        objects = [key for key in damaged_objects(error) if len(key) <= MAX_KEY_CHARACTERS]
        lines = shortened(error.what), shortened(error.why), shortened(error.cure)
        return cls(error.code, *lines, tuple(objects[:MAX_OBJECTS]))


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """Something that happened to one attempt. `time` is the worker's clock, RFC 3339; sizes are None where unknown.
    `appliance` is its pointer's: one queue serves all appliances of a stack.
    """

    session: str
    attempt: int
    sequence: int
    time: str
    type: EventType
    done_bytes: int | None = None
    total_bytes: int | None = None
    message: str = ""
    error: EventError | None = None
    exit_status: int | None = None
    appliance: str = ""

    @property
    def is_last(self) -> bool:
        """Whether the attempt has nothing more to say."""
        return self.type in (EventType.DONE, EventType.FAILED)


def shortened(text: str) -> str:
    """The text, cut where a message could not hold it."""
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"


def encode_pointer(pointer: TaskPointer) -> str:
    """The pointer as JSON."""
    fields = {
        "format": FORMAT,
        "session": pointer.session,
        "attempt": pointer.attempt,
        "kind": pointer.kind.value,
        "location": pointer.location,
        "repository": pointer.repository,
        "kid": pointer.kid,
        "region": pointer.region,
        "kms_key_id": pointer.kms_key_id,
        "wrapped_key": base64.b64encode(pointer.wrapped_key).decode(),
        "encryption_context": dict(pointer.encryption_context),
        "events_queue_url": pointer.events_queue_url,
        "appliance": pointer.appliance,
    }
    return json.dumps(fields, sort_keys=True)


def decode_pointer(text: str) -> TaskPointer:
    """The reverse. Raises FormatError for what is no pointer, UnsupportedFormatError for a newer one."""
    fields = _Fields(text, "a task pointer")
    pointer = TaskPointer(
        session=fields.id("session"),
        attempt=fields.number("attempt"),
        kind=fields.choice("kind", TaskKind),
        location=fields.text("location"),
        repository=fields.id("repository"),
        kid=fields.number("kid"),
        region=fields.text("region"),
        kms_key_id=fields.text("kms_key_id"),
        wrapped_key=fields.binary("wrapped_key"),
        encryption_context=fields.texts("encryption_context"),
        events_queue_url=fields.text("events_queue_url"),
        appliance=fields.text("appliance"),
    )
    fields.end()
    return pointer


def encode_event(event: WorkerEvent) -> str:
    """The event as JSON on one line; what is None or empty is left out."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "session": event.session,
        "attempt": event.attempt,
        "sequence": event.sequence,
        "time": event.time,
        "type": event.type.value,
        "done_bytes": event.done_bytes,
        "total_bytes": event.total_bytes,
        "message": event.message or None,
        "exit_status": event.exit_status,
        "appliance": event.appliance or None,
    }
    if event.error is not None:
        error = event.error
        told = {"code": error.code, "what": error.what, "why": error.why, "cure": error.cure}
        fields["error"] = told | ({"objects": list(error.objects)} if error.objects else {})
    return json.dumps({name: value for name, value in fields.items() if value is not None}, sort_keys=True)


def decode_event(text: str) -> WorkerEvent:
    """The reverse. Raises FormatError for what is no event, UnsupportedFormatError for a newer one."""
    fields = _Fields(text, "an event of a worker")
    event = WorkerEvent(
        session=fields.id("session"),
        attempt=fields.number("attempt"),
        sequence=fields.number("sequence"),
        time=fields.text("time"),
        type=fields.choice("type", EventType),
        done_bytes=fields.optional("done_bytes", fields.number),
        total_bytes=fields.optional("total_bytes", fields.number),
        message=fields.optional("message", fields.text) or "",
        error=fields.optional("error", fields.error),
        exit_status=fields.optional("exit_status", fields.number),
        appliance=fields.optional("appliance", fields.text) or "",
    )
    fields.end()
    return event


class _Fields:
    """The names and values of one message, each taken once and checked as it is."""

    def __init__(self, text: str, what: str) -> None:
        self._what = what
        if len(text.encode(errors="replace")) > MAX_MESSAGE_BYTES:
            raise self.refusal(f"it is longer than {MAX_MESSAGE_BYTES} bytes")
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.refusal("it is no JSON") from error
        if not isinstance(fields, dict):
            raise self.refusal("it is no JSON object")
        self._fields: dict[str, Any] = fields
        version = self.number("format")
        if version != FORMAT:
            raise UnsupportedFormatError(
                f"{what} cannot be read",
                why=f"its format is {version}, this Holdfast knows {FORMAT}",
                cure="let worker and appliance be of one version: build the bundle again",
            )

    def refusal(self, why: str) -> FormatError:
        return FormatError(
            f"{self._what} cannot be read", why=why, cure="look who else writes to this queue; the message is not used"
        )

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str):
            raise self.refusal(f"{name} is no text")
        return value

    def number(self, name: str) -> int:
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
            raise self.refusal(f"{name} is no natural number")
        return value

    def id(self, name: str) -> str:
        value = self.text(name)
        if not _ID.fullmatch(value):
            raise self.refusal(f"{name} is no id of 32 hexadecimal digits")
        return value

    def binary(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.refusal(f"{name} is no base64") from error

    def texts(self, name: str) -> dict[str, str]:
        value = self._take(name)
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise self.refusal(f"{name} does not map texts to texts")
        return value

    def error(self, name: str) -> EventError:
        value = self._take(name)
        if not isinstance(value, dict) or set(value) | {"objects"} != {"code", "what", "why", "cure", "objects"}:
            raise self.refusal(f"{name} has other parts than code, what, why, cure and objects")
        objects = value.pop("objects", [])
        if not isinstance(objects, list) or not all(isinstance(text, str) for text in (*value.values(), *objects)):
            raise self.refusal(f"{name} has parts that are no text")
        return EventError(**value, objects=tuple(objects))

    def choice(self, name: str, kind: Callable[[str], T]) -> T:
        value = self.text(name)
        try:
            return kind(value)
        except ValueError as error:
            raise self.refusal(f"{name} is {value[:40]!r}, which is not known") from error

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return read(name) if name in self._fields else None

    def end(self) -> None:
        """Refuse what nobody has taken."""
        if self._fields:
            raise self.refusal(f"nothing has the name {sorted(self._fields)[0][:40]!r}")

    def _take(self, name: str) -> Any:
        if name not in self._fields:
            raise self.refusal(f"{name} is missing")
        return self._fields.pop(name)
