"""ASGI that reads at most so much of a body, whatever its header says."""

from collections.abc import Callable, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

from holdfast.rest.authentication import App, Receive, Scope, Send
from holdfast.rest.documents import too_large
from holdfast.rest.problems import MEDIA_TYPE, problem_of

# So many times the limit are read on.
_DISCARDED_LIMITS = 16


class BodyLimit:
    """In front of an app: the app meets no body over the limit, which `limit_bytes_of` says for each request."""

    def __init__(self, app: App, limit_bytes_of: Callable[[Scope], int]) -> None:
        self._app = app
        self._limit_bytes_of = limit_bytes_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, and end what is too large with an answer that says so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = self._limit_bytes_of(scope)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        received_bytes = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit_bytes:
                await _discard(message, receive, limit_bytes)
                raise too_large(limit_bytes)
            return message

        if not length.isdigit() or int(length) > limit_bytes:
            await _discard(await receive(), receive, limit_bytes)
            answer = JSONResponse(problem_of(too_large(limit_bytes)), 400, {"Connection": "close"}, MEDIA_TYPE)
            await answer(scope, receive, send)
            return
        await self._app(scope, counted, send)


async def _discard(message: MutableMapping[str, Any], receive: Receive, limit_bytes: int) -> None:
    """Read on for a while: who still sends would not read the answer."""
    discarded_bytes, most_bytes = 0, _DISCARDED_LIMITS * limit_bytes
    while message["type"] == "http.request" and message.get("more_body") and discarded_bytes < most_bytes:
        message = await receive()
        discarded_bytes += len(message.get("body", b""))
