"""DeleteObjects: each key is judged on its own, and those that may not be deleted are errors in the answer."""

import io
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication

from holdfast.lab.access.calls import Call
from holdfast.lab.access.demands_s3 import deletions
from holdfast.lab.access.evaluator import Demand, Verdict
from holdfast.lab.http_front import run

_EMPTY = b'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
_END = b"</DeleteResult>"
_OBJECT_END = b"</Object>"


def delete_what_may_be(
    call: Call, may: Callable[[Demand], Verdict], services: WSGIApplication, start_response: StartResponse
) -> Iterable[bytes]:
    """Pass on the deletions that `may` allows, and add the others to the answer as errors."""
    environ = call.environ
    body: bytes = environ["wsgi.input"].read()
    refused: list[bytes] = []
    left = body
    for key, demand in deletions(call, body):
        if not may(demand).allowed:
            refused.append(key)
            left = _without(left, key)
    environ["wsgi.input"] = io.BytesIO(left)
    environ["CONTENT_LENGTH"] = str(len(left))
    if not refused:
        return services(environ, start_response)
    errors = b"".join(
        b"<Error><Key>%b</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" % key
        for key in refused
    )
    if _OBJECT_END in left:
        status, headers, chunks = run(services, environ)
        answer = b"".join(chunks)
        if not status.startswith("200"):
            start_response(status, headers)
            return (answer,)
        answer = answer.replace(_END, errors + _END)
    else:
        status, headers, answer = "200 OK", [("Content-Type", "application/xml")], _EMPTY + errors + _END
    kept = [header for header in headers if header[0].lower() != "content-length"]
    start_response(status, [*kept, ("Content-Length", str(len(answer)))])
    return (answer,)


def _without(body: bytes, key: bytes) -> bytes:
    """The list without the object of this key."""
    place = body.index(b"<Key>%b</Key>" % key)
    begin, end = body.rindex(b"<Object>", 0, place), body.index(_OBJECT_END, place) + len(_OBJECT_END)
    return body[:begin] + body[end:]
