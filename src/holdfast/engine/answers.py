"""What a step answered, in the form in which it is remembered: an answer, or an error of ours with all its lines."""

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

from dbos import Serializer

from holdfast.domain.errors import HoldfastError
from holdfast.domain.session import ItemError
from holdfast.protocol.encoding import from_document, to_document


async def answer_of(effect: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Run the effect, in a thread unless it is a coroutine function, and take its answer or its error."""
    try:
        if inspect.iscoroutinefunction(effect):
            return {"answer": await effect(*arguments)}
        return {"answer": await asyncio.to_thread(effect, *arguments)}
    except HoldfastError as error:
        return {"error": to_document(ItemError.of(error))}


def opened(remembered: dict[str, Any]) -> Any:
    """The answer; or the error is raised that it was."""
    if "error" in remembered:
        raise from_document(ItemError, remembered["error"], "a remembered error").as_error()
    return remembered["answer"]


class JsonSerializer(Serializer):
    """What DBOS keeps is JSON, which any later version can read and nothing can run."""

    def serialize(self, data: Any) -> str:
        """An exception, which only a defect leaves behind, is kept as its text."""
        return json.dumps(data, default=repr)

    def deserialize(self, serialized_data: str) -> Any:
        """The reverse, but for exceptions."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """By which DBOS knows what a row was written with."""
        return "holdfast_json"
