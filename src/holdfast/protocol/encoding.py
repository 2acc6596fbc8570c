"""Dataclasses to JSON and back, strictly: what is not known is refused, with the path to it.

Times are RFC 3339 in UTC, sizes in bytes, names snake_case; absent and null are the same where a field is optional.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from holdfast.domain.errors import UsageError
from holdfast.protocol.complaints import complaint

T = TypeVar("T")


def to_document(value: object) -> Any:
    """The value as JSON has it: dicts, lists, texts, numbers."""
    return _adapter(type(value)).dump_python(value, mode="json")


def to_documents(values: Sequence[object]) -> list[Any]:
    """The same for each of many."""
    return [to_document(value) for value in values]


def from_document(kind: type[T], document: object, what: str) -> T:
    """An object of `kind` from JSON's dicts and lists; `what` is what a person calls the document.

    Raises UsageError that names the field and what is wrong with it.
    """
    try:
        read: T = _adapter(kind).validate_python(document)
    except ValidationError as error:
        raise _refusal(what, [_complaint(one) for one in error.errors()]) from None
    unknown = list(_unknown(document, to_document(read), ""))
    if unknown:
        raise _refusal(what, [f"{path}: nothing has this name" for path in unknown])
    return read


def to_json(value: object) -> bytes:
    """The value as JSON text."""
    return _adapter(type(value)).dump_json(value)


def from_json(kind: type[T], text: bytes | str, what: str) -> T:
    """The reverse of `to_json`; what this program itself has stored. Raises UsageError as `from_document`."""
    try:
        read: T = _adapter(kind).validate_json(text)
        return read
    except ValidationError as error:
        raise _refusal(what, [_complaint(one) for one in error.errors()]) from None


def schema_of(kind: type[object]) -> dict[str, Any]:
    """The JSON Schema of a document of that kind."""
    return _adapter(kind).json_schema()


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _unknown(given: object, understood: object, path: str) -> Iterator[str]:
    """Paths of what stands in `given` and was not taken over: dataclasses pass over what they do not know."""
    if isinstance(given, Mapping) and isinstance(understood, Mapping):
        for key, value in given.items():
            if key in understood:
                yield from _unknown(value, understood[key], f"{path}{key}.")
            else:
                yield f"{path}{key}"
    elif isinstance(given, list) and isinstance(understood, list):
        for number, (one, other) in enumerate(zip(given, understood, strict=False)):
            yield from _unknown(one, other, f"{path}{number}.")


def _refusal(what: str, complaints: list[str]) -> UsageError:
    return UsageError(
        f"{what} cannot be read", why="; ".join(complaints[:3]), cure="compare it with its schema (docs/policies.md)"
    )


def _complaint(error: Any) -> str:
    path = ".".join(str(part) for part in error["loc"]) or "the document"
    beside = error["input"]
    if error["type"] == "missing" and isinstance(beside, Mapping) and beside:
        # A word mistyped is mostly one of these.
        return f"{path} is missing, and there are only {', '.join(str(name) for name in beside)}"
    return f"{path} {complaint(error)}"
