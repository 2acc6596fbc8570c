"""`/_lab/...`: what a lab offers beside AWS, for whoever runs it on the same machine.

GET  /_lab/health                     200 once requests are answered
GET  /_lab/volumes/VOLUME-ID          where the raw content of a volume is: {"volume_id", "path", "size_bytes"}
GET  /_lab/requests                   how often each operation was asked: {"ebs": {"GetSnapshotBlock": 12}, ...}
GET  /_lab/clock                      {"now": seconds since the epoch in the lab}
POST /_lab/clock                      {"advance_seconds": 3601} lets that time pass at once
PUT  /_lab/faults                     {"spec": SPEC} replaces the faults (not `pending`, `hidden` and `quota`)

Other parts of a lab add routes of their own (`add`).
"""

import ipaddress
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from holdfast.domain.errors import UsageError
from holdfast.lab.block_store import BlockStore
from holdfast.lab.clock import LabClock
from holdfast.lab.faults import FaultPlan, parse_faults
from holdfast.lab.request_log import RequestLog
from holdfast.lab.volume_files import GIB

PREFIX = "/_lab/"
Result = tuple[HTTPStatus, dict[str, Any]]
Answer = Callable[[dict[str, Any]], Result]


class LabRoutes:
    """The lab's own routes as a WSGI application, for loopback only; `replace_faults` puts a new plan in force."""

    def __init__(
        self, store: BlockStore, clock: LabClock, log: RequestLog, replace_faults: Callable[[FaultPlan], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._replace_faults = replace_faults
        self._added: dict[tuple[str, str], Answer] = {}

    def add(self, method: str, path: str, answer: Answer) -> None:
        """Answer requests for `/_lab/PATH` too; `answer` is handed the document of the body, {} where there is none."""
        self._added[method, PREFIX + path] = answer

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> tuple[bytes]:
        status, document = self._answer(environ)
        body = json.dumps(document).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return (body,)

    def _answer(self, environ: WSGIEnvironment) -> Result:
        if not ipaddress.ip_address(environ["REMOTE_ADDR"]).is_loopback:
            return HTTPStatus.FORBIDDEN, {"message": "the lab's own routes are for this machine only"}
        words = environ["PATH_INFO"].removeprefix(PREFIX).split("/")
        match environ["REQUEST_METHOD"], words:
            case "GET", ["health"]:
                return HTTPStatus.OK, {"status": "ok"}
            case "GET", ["volumes", volume_id]:
                return self._volume(volume_id)
            case "GET", ["requests"]:
                return HTTPStatus.OK, self._log.counts()
            case "GET", ["clock"]:
                return HTTPStatus.OK, {"now": self._clock.now()}
            case "POST", ["clock"]:
                return self._advance(_document(environ).get("advance_seconds"))
            case "PUT", ["faults"]:
                return self._faults(_document(environ).get("spec"))
        added = self._added.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if added is not None:
            return added(_document(environ))
        return HTTPStatus.NOT_FOUND, {"message": f"the lab has no {environ['REQUEST_METHOD']} {environ['PATH_INFO']}"}

    def _volume(self, volume_id: str) -> Result:
        record = self._store.volume(volume_id)
        if record is None:
            return HTTPStatus.NOT_FOUND, {"message": f"the lab has no volume {volume_id}"}
        path = str(self._store.volume_path(volume_id))
        return HTTPStatus.OK, {"volume_id": volume_id, "path": path, "size_bytes": record.size_gib * GIB}

    def _advance(self, seconds: object) -> Result:
        if not isinstance(seconds, int | float) or seconds < 0:
            return HTTPStatus.BAD_REQUEST, {"message": "advance_seconds must be a number, not negative"}
        return HTTPStatus.OK, {"now": self._clock.advance(seconds)}

    def _faults(self, spec: object) -> Result:
        if not isinstance(spec, str):
            return HTTPStatus.BAD_REQUEST, {"message": "spec must be a text"}
        try:
            self._replace_faults(FaultPlan(parse_faults(spec)))
        except UsageError as error:
            return HTTPStatus.BAD_REQUEST, {"message": f"{error}: {error.cure}"}
        return HTTPStatus.OK, {"spec": spec}


def _document(environ: WSGIEnvironment) -> dict[str, Any]:
    try:
        document = json.loads(environ["wsgi.input"].read() or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
