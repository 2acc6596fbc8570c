"""Which request goes where: the lab's own routes, the EBS direct APIs, or moto; faults stand before the last two."""

import time
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from holdfast.lab import aws_errors, lab_routes
from holdfast.lab.faults import Fault, FaultPlan
from holdfast.lab.http_front import ConnectionCutError, run
from holdfast.lab.request_log import RequestLog
from holdfast.lab.request_scope import scope_of


class LabApplication:
    """The whole lab as a WSGI application; `sleep` takes seconds."""

    def __init__(
        self,
        routes: WSGIApplication,
        ebs: WSGIApplication,
        moto: WSGIApplication,
        log: RequestLog,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._routes = routes
        self._ebs = ebs
        self._moto = moto
        self._log = log
        self._sleep = sleep
        self.faults: FaultPlan
        self.on_close: Callable[[], None] = lambda: None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path.startswith(lab_routes.PREFIX):
            return self._routes(environ, start_response)
        # Unsigned requests are S3's, as moto has it: public objects are read that way.
        service = scope_of(environ).service or "s3"
        self._log.add(service, environ)
        decision = self.faults.decide(service, environ["REQUEST_METHOD"], path)
        if decision.delay_seconds:
            self._sleep(decision.delay_seconds)
        answer = self._ebs if service == "ebs" else self._moto
        if decision.fault is None:
            return answer(environ, start_response)
        if decision.fault is Fault.LOST:
            run(answer, environ)
            raise ConnectionCutError("the answer is lost")
        if decision.fault is Fault.CUT:
            return _cut(answer, environ, start_response)
        protocol = aws_errors.protocol_of(service, environ)
        return aws_errors.send(
            aws_errors.of_fault(service, protocol, decision.fault), protocol, environ, start_response
        )


def _cut(answer: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """A read breaks off in the middle of its answer, everything else before it is done."""
    if environ["REQUEST_METHOD"] != "GET":
        raise ConnectionCutError("cut before it was done")
    status, headers, chunks = run(answer, environ)
    body = b"".join(chunks)
    length = [("Content-Length", str(len(body)))]
    start_response(status, [header for header in headers if header[0].lower() != "content-length"] + length)
    return _half_of(body)


def _half_of(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionCutError("cut in the middle")
