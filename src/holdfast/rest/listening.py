"""An app on a socket: uvicorn in a thread of this process, TLS only, ended when asked."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from anyio import to_thread

from holdfast.domain.errors import ConflictError, HoldfastError, UnavailableError, UsageError
from holdfast.rest.authentication import PEER_CERTIFICATE, App
from holdfast.rest.patient_protocol import PatientProtocol

_THREADS = 100
_CONNECTION_LIMIT = 500
# Longer than clients keep an idle connection: none is closed under a request that is on its way.
_KEEP_ALIVE_SECONDS = 30
_LAST_WORDS_SECONDS = 0.3
_START_TIMEOUT_SECONDS = 30.0
_HEADER_LIMIT_BYTES = 32 * 1024


@contextmanager
def listening(app: App, listen: str, context: ssl.SSLContext, end_seconds: float = 10.0) -> Iterator[str]:
    """Answer on HOST:PORT while the block runs; hands out HOST:PORT as it became (port 0 takes a free one).

    At the end requests have `end_seconds` to end by themselves. Raises ConflictError when the address is taken.
    """
    host, port = split_address(listen)
    with _bound(host, port) as listener:
        config = uvicorn.Config(
            app,
            http=_PeerCertificateProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            ssl_context_factory=lambda _config, _default: context,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            limit_concurrency=_CONNECTION_LIMIT,
            h11_max_incomplete_event_size=_HEADER_LIMIT_BYTES,
            timeout_graceful_shutdown=max(int(end_seconds), 1),
        )
        ready = threading.Event()
        server = _Server(config, ready)
        thread = threading.Thread(target=_serve, args=(server, listener, ready), name="holdfast-rest", daemon=True)
        thread.start()
        try:
            if not ready.wait(_START_TIMEOUT_SECONDS) or not thread.is_alive():
                raise UnavailableError(
                    f"nothing answers on {listen}", why="the listener ended at its start", cure="look into the log"
                )
            yield f"{_bracketed(host)}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(end_seconds + _START_TIMEOUT_SECONDS)


def split_address(listen: str) -> tuple[str, int]:
    """HOST:PORT, with brackets around a host of IPv6. Raises UsageError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{listen!r} is no HOST:PORT", why="both are needed", cure="write it like 127.0.0.1:9443")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
        # Inherited by every connection; without it an answer waits for the acknowledgement of its own header.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise _refusal(f"{host}:{port}", error) from error


def _refusal(address: str, error: OSError) -> HoldfastError:
    reason = error.strerror or str(error)
    if isinstance(error, socket.gaierror):
        return UsageError(f"{address} is no address of this machine", why=reason, cure="name another address")
    return ConflictError(f"cannot listen on {address}", why=reason, cure="end what listens there, or name another port")


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, with more threads for what waits."""
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        await super().startup(sockets)
        self._ready.set()


def _serve(server: uvicorn.Server, listener: socket.socket, ready: threading.Event) -> None:
    try:
        asyncio.run(server.serve([listener]))
    finally:
        ready.set()


class _PeerCertificateProtocol(PatientProtocol):
    """Puts the certificate that the client has shown, DER or None, into the `state` of each request's scope."""

    _ending = False

    def connection_made(self, transport: Any) -> None:
        """The handshake is done: what TLS has verified is known."""
        tls = transport.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app_state = {**self.app_state, PEER_CERTIFICATE: shown}
        super().connection_made(transport)

    def shutdown(self) -> None:
        """The server ends: a connection in which nothing is asked is cut, so that nobody waits for its other end."""
        super().shutdown()
        self._ending = True
        self._cut_when_closing()

    def on_response_complete(self) -> None:
        """An answer is out; when the server ends, it was the last."""
        super().on_response_complete()
        if self._ending:
            self._cut_when_closing()

    def _cut_when_closing(self) -> None:
        if self.transport.is_closing():
            self.loop.call_later(_LAST_WORDS_SECONDS, self.transport.abort)
