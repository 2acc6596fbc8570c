"""A lab as one process: a folder, a socket, and the applications put together.

`serve` is what `holdfast lab run` and `python -m holdfast.lab` end in. This module loads no moto;
`composition.py` does, when a lab is built.
"""

import contextlib
import fcntl
import http.client
import importlib.util
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from holdfast.domain.errors import ConflictError, MissingExtraError, PermissionDeniedError, UnavailableError
from holdfast.domain.extras import how_to_install
from holdfast.lab.faults import FaultPlan, parse_faults
from holdfast.lab.listening import open_socket, parse_listen

START_SECONDS = 60
POLL_SECONDS = 0.05


def check_extra() -> None:
    """MissingExtraError where the lab's extra is not installed."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise MissingExtraError(
            "the lab is not installed", why="it needs the extra `lab`", cure=how_to_install("lab", sys.executable)
        )


class LabServer:
    """A lab that answers from construction to `close`; `endpoint` is what AWS_ENDPOINT_URL is set to.

    Its volumes and snapshots are kept in `folder` in any case, its buckets and objects with `keep_s3`.
    """

    def __init__(self, listen: str, faults: str, folder: Path, *, keep_s3: bool) -> None:
        check_extra()
        host, port = parse_listen(listen)
        plan = FaultPlan(parse_faults(faults))
        from werkzeug.serving import make_server

        from holdfast.lab.composition import build
        from holdfast.lab.http_front import LabRequestHandler

        # Every connection and every larger object of S3 costs a descriptor.
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        with open_socket(host, port) as listening:
            self.endpoint = _shown(host, listening.getsockname()[1])
            # Instances live on this machine, whatever address the lab is reached by.
            inside = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host  # noqa: S104 - compared
            self._application = build(folder, plan, _shown(inside, listening.getsockname()[1]), keep_s3=keep_s3)
            self._server = make_server(
                host,
                port,
                self._application,
                threaded=True,
                request_handler=LabRequestHandler,
                fd=listening.fileno(),
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="lab", daemon=True
        )
        self._thread.start()
        self._await_answer(host)

    def _await_answer(self, host: str) -> None:
        connection = http.client.HTTPConnection(host, self._server.port, timeout=START_SECONDS)
        try:
            with contextlib.closing(connection):
                connection.request("GET", "/_lab/health")
                connection.getresponse().read()
        except OSError as error:
            self.close()
            raise UnavailableError(
                f"the lab at {self.endpoint} does not answer", why=str(error), cure="run it again on an idle machine"
            ) from None

    def close(self) -> None:
        """End the instances and answer no more."""
        self._application.on_close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> "LabServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _shown(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def state_folder(state: Path | None) -> Iterator[Path]:
    """The folder to keep everything in: `state`, or one that is gone afterwards."""
    if state is None:
        with tempfile.TemporaryDirectory(prefix="holdfast-lab-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("w")
    except OSError as error:
        raise PermissionDeniedError(
            f"cannot keep the lab's state in {state}", why=error.strerror or str(error), cure="choose another --state"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"cannot keep the lab's state in {state}", why="another lab uses it", cure="end that lab first"
            ) from None
        yield state.resolve()


def serve(
    listen: str, faults: str, state: Path | None, announce: Callable[[str], None], ended: threading.Event
) -> None:
    """Run a lab until the event `ended`; `announce` is handed the endpoint once it answers.

    MissingExtraError without the extra `lab`, UsageError for words that cannot be meant, ConflictError where address or
    folder are in use.
    """
    with state_folder(state) as folder, LabServer(listen, faults, folder, keep_s3=state is not None) as server:
        announce(server.endpoint)
        ended.wait()
