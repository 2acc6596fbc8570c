"""Moving bulk bytes: one thread, many connections, libcurl underneath.

`CurlTransport.submit` gives a future at once. One I/O thread drives all transfers with `curl_multi_socket_action`, so
an idle connection costs nothing and no file descriptor is too high a number. HTTP/1.1 with keep-alive, one request at a
time on a connection: S3 and EBS scale by connections.
"""

import selectors
import socket
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic

import pycurl

from holdfast.signed_http.certificates import trusted_authorities_file
from holdfast.signed_http.messages import HttpRequest, HttpResponse
from holdfast.signed_http.network_errors import transport_closed
from holdfast.signed_http.transfer import Transfer, TransferLimits

_EVENTS_OF_POLL = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}


class CurlTransport:
    """A pool of at most `max_connections` connections; may be used from many threads.

    Requests beyond that wait in order; bounding them is the caller's part. `authorities_file` is a PEM file, by default
    the environment's or the system's (see `certificates`); it is never switched off. The callbacks of a future run on
    the I/O thread and must be short.
    """

    def __init__(
        self,
        *,
        max_connections: int = 64,
        limits: TransferLimits | None = None,
        authorities_file: str | None = None,
    ) -> None:
        authorities = authorities_file if authorities_file is not None else trusted_authorities_file()
        limits = limits if limits is not None else TransferLimits()
        self._idle = [Transfer(limits, authorities) for _ in range(max_connections)]
        self._running: dict[pycurl.Curl, Transfer] = {}
        self._lock = threading.Lock()
        self._waiting: deque[tuple[HttpRequest, Future[HttpResponse]]] = deque()
        self._closing = False
        self._woken = False
        self._timer_due_seconds: float | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._thread = threading.Thread(target=self._run, name="signed-http", daemon=True)
        self._thread.start()

    def submit(self, request: HttpRequest) -> Future[HttpResponse]:
        """Send `request`; the future gives the answer, whatever its status, or raises UnavailableError.

        Raises UnavailableError when the transport is closed.
        """
        future: Future[HttpResponse] = Future()
        with self._lock:
            if self._closing:
                raise transport_closed()
            self._waiting.append((request, future))
            self._wake()
        return future

    def close(self) -> None:
        """End the I/O thread and the connections; unfinished requests fail. Safe to call twice."""
        with self._lock:
            self._closing = True
            self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _wake(self) -> None:
        """Make the I/O thread look at the queue; called with the lock held."""
        if not self._woken and self._thread.is_alive():
            self._woken = True
            self._wake_sender.send(b"\0")

    def _run(self) -> None:
        reason: BaseException = transport_closed()
        try:
            while not self._closing:
                self._start_waiting()
                self._wait_for_events()
                self._finish_done()
        except BaseException as error:  # noqa: BLE001 - carried to everybody who waits for an answer
            reason = error
        self._end(reason)

    def _start_waiting(self) -> None:
        while self._idle:
            with self._lock:
                if not self._waiting:
                    return
                request, future = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            transfer = self._idle.pop()
            self._running[transfer.handle] = transfer
            try:
                transfer.begin(request, future)
                self._multi.add_handle(transfer.handle)
            except pycurl.error as error:
                transfer.fail(*_number_and_message(error))
                self._retire(transfer)
            except (TypeError, ValueError) as error:
                transfer.abandon(error)
                self._retire(transfer)

    def _wait_for_events(self) -> None:
        due = self._timer_due_seconds
        for key, events in self._selector.select(None if due is None else max(0.0, due - monotonic())):
            if key.fileobj is self._wake_receiver:
                with self._lock:
                    self._wake_receiver.recv(64)
                    self._woken = False
                continue
            bits = pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0
            bits |= pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
            self._multi.socket_action(key.fd, bits)
        due = self._timer_due_seconds
        if due is not None and due <= monotonic():
            self._timer_due_seconds = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _finish_done(self) -> None:
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for handle in done:
                transfer = self._running[handle]
                self._multi.remove_handle(handle)
                transfer.succeed()
                self._retire(transfer)
            for handle, number, message in failed:
                transfer = self._running[handle]
                self._multi.remove_handle(handle)
                transfer.fail(number, message)
                self._retire(transfer)

    def _retire(self, transfer: Transfer) -> None:
        del self._running[transfer.handle]
        self._idle.append(transfer)

    def _end(self, reason: BaseException) -> None:
        with self._lock:
            self._closing = True
            waiting = list(self._waiting)
            self._waiting.clear()
        running = list(self._running.values())
        for transfer in running:
            with suppress(pycurl.error):  # a handle that never got as far as the multi handle
                self._multi.remove_handle(transfer.handle)
            transfer.abandon(reason)
        for _, future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(reason)
        for transfer in running + self._idle:
            transfer.close()
        self._multi.close()
        self._selector.close()
        with self._lock:
            self._wake_receiver.close()
            self._wake_sender.close()

    def _watch_socket(self, poll: int, descriptor: int, multi: pycurl.CurlMulti, data: object) -> None:
        """libcurl says which events of which socket it waits for."""
        known = descriptor in self._selector.get_map()
        if poll == pycurl.POLL_REMOVE:
            if known:
                self._selector.unregister(descriptor)
        elif known:
            self._selector.modify(descriptor, _EVENTS_OF_POLL[poll])
        else:
            self._selector.register(descriptor, _EVENTS_OF_POLL[poll])

    def _set_timer(self, milliseconds: int) -> None:
        """libcurl says when it wants to be called at the latest; -1: not at all."""
        self._timer_due_seconds = None if milliseconds < 0 else monotonic() + milliseconds / 1000


def _number_and_message(error: pycurl.error) -> tuple[int, str]:
    number, message = error.args
    return int(number), str(message)
