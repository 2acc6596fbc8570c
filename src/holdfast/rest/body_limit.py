"""ASGI that reads at most so much of a body, whatever its header says."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

from holdfast.domain.errors import UsageError
from holdfast.rest.authentication import App, Receive, Scope, Send
from holdfast.rest.documents import BODY_LIMIT_BYTES, too_large
from holdfast.rest.problems import MEDIA_TYPE, problem_of


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
                raise too_large()
            return message

        try:
            if not length.isdigit() or int(length) > BODY_LIMIT_BYTES:
                raise too_large()
            await self._app(scope, counted, send)
        except UsageError as error:
            await JSONResponse(problem_of(error), 400, {"Connection": "close"}, MEDIA_TYPE)(scope, receive, send)
