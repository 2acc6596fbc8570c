"""ASGI that reads at most so much of a body, whatever its header says."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

from holdfast.rest.authentication import App, Receive, Scope, Send
from holdfast.rest.documents import BODY_LIMIT_BYTES, too_large
from holdfast.rest.problems import MEDIA_TYPE, problem_of

_DISCARD_LIMIT_BYTES = 16 * BODY_LIMIT_BYTES


class BodyLimit:
    """In front of an app: the app meets no body over the limit."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, and end what is too large with an answer that says so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        received_bytes = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > BODY_LIMIT_BYTES:
                await _discard(message, receive)
                raise too_large()
            return message

        if not length.isdigit() or int(length) > BODY_LIMIT_BYTES:
            await _discard(await receive(), receive)
            answer = JSONResponse(problem_of(too_large()), 400, {"Connection": "close"}, MEDIA_TYPE)
            await answer(scope, receive, send)
            return
        await self._app(scope, counted, send)


async def _discard(message: MutableMapping[str, Any], receive: Receive) -> None:
    """Read on for a while: who still sends would not read the answer."""
    discarded_bytes = 0
    while message["type"] == "http.request" and message.get("more_body") and discarded_bytes < _DISCARD_LIMIT_BYTES:
        message = await receive()
        discarded_bytes += len(message.get("body", b""))
