"""How often each operation was asked: counted outside the product, for whoever wants to check its claims."""

import threading
from collections import Counter, defaultdict
from urllib.parse import parse_qs
from wsgiref.types import WSGIEnvironment

from holdfast.lab.ebs_errors import EbsError
from holdfast.lab.ebs_routes import route


class RequestLog:
    """Counts requests by service and operation; safe for threads."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()

    def add(self, service: str, environ: WSGIEnvironment) -> None:
        """Count a request."""
        operation = _operation(service, environ)
        with self._lock:
            self._counts[service][operation] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """All counts since the lab started."""
        with self._lock:
            return {service: dict(counter) for service, counter in self._counts.items()}


def _operation(service: str, environ: WSGIEnvironment) -> str:
    """The operation's name for the EBS direct APIs, the method (and what is asked of a bucket or key) for S3."""
    method: str = environ["REQUEST_METHOD"]
    if service == "ebs":
        try:
            return route(environ)[0]
        except EbsError:
            return "Unknown"
    if service == "s3":
        names = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if "restore" in names:
            return f"RESTORE {method}"
        return f"LIST {method}" if "list-type" in names else method
    return environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or method
