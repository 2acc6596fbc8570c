"""HTTP on one connection, with an end to waiting: whoever begins a request and does not end it holds no place."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# A header is there within so long, and what is left of a body that nobody reads any more.
_HEADER_SECONDS = 20
# A body may come slowly, if it comes: how long it may pause, and how long it may take in all.
_BODY_SILENCE_SECONDS = 30
_BODY_SECONDS = 600


class PatientProtocol(H11Protocol):
    """Cuts a client that begins a request and does not end it, or begins none: it holds no place. A body may come
    slowly, and is waited for while it comes.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A first request is awaited from now on."""
        super().connection_made(transport)
        self._begun_at = self._heard_at = self.loop.time()
        self._await_rest()

    def data_received(self, data: bytes) -> None:
        """What is begun now is to be ended."""
        begins = not self._is_owed()
        super().data_received(data)
        self._heard_at = self.loop.time()
        if begins:
            self._begun_at = self._heard_at
        if self.timeout_keep_alive_task is None and self._is_idle():
            # What came was the rest of a body that had its answer; nothing else lets go of the connection now.
            later, let_go = self.timeout_keep_alive, self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(later, let_go)
        if self._timer is None:
            self._await_rest()

    def on_response_complete(self) -> None:
        """An answer is out, which may be before the body has come to its end; what came behind that is begun."""
        super().on_response_complete()
        self._begun_at = self.loop.time()
        if self._timer is None:
            self._await_rest()

    def _is_owed(self) -> bool:
        """Whether a body, or a header, has begun and not ended; the first header has begun with the connection."""
        if self.conn.their_state is h11.IDLE:
            return not self._is_idle()
        return self.conn.their_state is h11.SEND_BODY

    def _is_idle(self) -> bool:
        """Between two requests."""
        return self.conn.their_state is h11.IDLE and self._has_asked() and not self.conn.trailing_data[0]

    def _has_asked(self) -> bool:
        return self.cycle is not None

    def _await_rest(self) -> None:
        """Look again when it is to be there."""
        self._timer = None
        if self.transport.is_closing() or not self._is_owed():
            return
        if self.flow.read_paused:
            self._heard_at = self.loop.time()  # it is our turn: the request is not read on
        if not self._has_asked() or self.cycle.response_complete:
            until = self._begun_at + _HEADER_SECONDS
        else:
            until = min(self._heard_at + _BODY_SILENCE_SECONDS, self._begun_at + _BODY_SECONDS)
        if until <= self.loop.time():
            self.transport.abort()
            return
        self._timer = self.loop.call_at(until, self._await_rest)
