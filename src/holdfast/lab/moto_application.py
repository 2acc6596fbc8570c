"""moto's server as a WSGI application whose every answer is one that AWS could give."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, request
from moto.core.exceptions import ServiceException
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from holdfast.lab import aws_errors
from holdfast.lab.request_scope import scope_of

# What moto's dispatcher raises where a request names a service or a shape that it does not know.
_DISPATCH_ERRORS = (AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError)


class MotoApplication(DomainDispatcherApplication):
    """All services of moto. Actions it lacks, and its own failures, are answered as AWS answers."""

    def __init__(self) -> None:
        super().__init__(_create_backend_app)
        self._backends: dict[str, str | None] = {}

    def get_backend_for_host(self, host: str | None) -> str | None:
        """The name of the service behind a host name of AWS; None, without a word on standard output, where none is."""
        if host is None:
            return None
        if host not in self._backends:
            known = "amazonaws.com" not in host or any(p.match(f"http://{host}") for _, p in self.backend_url_patterns)
            self._backends[host] = super().get_backend_for_host(host) if known else None
        return self._backends[host]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            application = self.get_application(environ)
        except _DISPATCH_ERRORS:
            service = scope_of(environ).service
            protocol = aws_errors.protocol_of(service, environ)
            error = aws_errors.not_implemented(protocol, f"the service {service or 'of an unsigned request'}")
            return aws_errors.send(error, protocol, environ, start_response)
        return application(environ, start_response)


def _create_backend_app(service: str) -> Flask:
    application = create_backend_app(service)  # type: ignore[arg-type]
    # moto asks for a debugger's page; with these two off, what it raises reaches the handler below.
    application.debug = False
    application.config["PROPAGATE_EXCEPTIONS"] = False
    application.register_error_handler(NotImplementedError, _on_not_implemented)
    application.register_error_handler(HTTPException, _on_http_exception)
    application.after_request(_after_request)
    return application


def _on_not_implemented(error: NotImplementedError) -> Response:
    protocol = aws_errors.protocol_of(scope_of(request.environ).service, request.environ)
    return _response(aws_errors.not_implemented(protocol, str(error)), protocol)


def _on_http_exception(error: HTTPException) -> Response | HTTPException:
    protocol = aws_errors.protocol_of(scope_of(request.environ).service, request.environ)
    if isinstance(error, InternalServerError):
        cause = error.original_exception
        if isinstance(cause, ServiceException):
            return _response(aws_errors.AwsError(cause.code, cause.message, "400 Bad Request"), protocol)
        return _response(aws_errors.internal(protocol, f"{type(cause).__name__}: {cause}"), protocol)
    if type(error) in (NotFound, MethodNotAllowed):
        return _response(aws_errors.not_implemented(protocol, f"{request.method} {request.path}"), protocol)
    return error


def _after_request(response: Response) -> Response:
    """moto answers a request that names no action with an empty page."""
    service = scope_of(request.environ).service
    if response.status_code != 404 or response.mimetype != "text/html" or service == "s3" or response.data:
        return response
    protocol = aws_errors.protocol_of(service, request.environ)
    return _response(aws_errors.not_implemented(protocol, f"{request.method} {request.path}"), protocol)


def _response(error: aws_errors.AwsError, protocol: str) -> Response:
    sent: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> object:
        sent.append((status, headers))
        return None

    (body,) = aws_errors.send(error, protocol, request.environ, start)  # type: ignore[arg-type]
    status, headers = sent[0]
    return Response(body, status=status, headers=headers)
