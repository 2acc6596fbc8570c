"""A lab as one process: a folder, a socket, and the applications put together.

`serve` is what `holdfast lab run` and `python -m holdfast.lab` end in. This module loads no moto before a lab is really
built.
"""

import contextlib
import importlib.util
import resource
import signal
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from holdfast.domain.errors import ConflictError, MissingExtraError, PermissionDeniedError, UnavailableError, UsageError
from holdfast.lab.clock import LabClock
from holdfast.lab.faults import FaultPlan, parse_faults

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from holdfast.lab.application import LabApplication

DEFAULT_LISTEN = "127.0.0.1:0"
START_SECONDS = 60
POLL_SECONDS = 0.05


def check_extra() -> None:
    """MissingExtraError where the lab's extra is not installed."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise MissingExtraError(
            "the lab is not installed", why="it needs the extra `lab`", cure="run `pip install 'holdfast[lab]'`"
        )


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `H:P`; port 0 takes a free one."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(
            f"--listen: cannot make out {text!r}", why="it is not HOST:PORT", cure="write, for example, 127.0.0.1:5000"
        )
    return host.strip("[]"), int(port)


class LabServer:
    """A lab that answers from construction to `close`; `endpoint` is what AWS_ENDPOINT_URL is set to.

    Its volumes and snapshots are kept in `folder` in any case, its buckets and objects with `keep_s3`.
    """

    def __init__(self, listen: str, faults: str, folder: Path, *, keep_s3: bool) -> None:
        check_extra()
        host, port = parse_listen(listen)
        plan = FaultPlan(parse_faults(faults))
        from werkzeug.serving import make_server

        from holdfast.lab.http_front import LabRequestHandler

        application = _build(folder, plan, keep_s3)
        # Every connection and every larger object of S3 costs a descriptor.
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        try:
            self._server = make_server(host, port, application, threaded=True, request_handler=LabRequestHandler)
        except SystemExit:
            # werkzeug ends the process where the address is taken.
            raise ConflictError(
                f"cannot listen on {listen}", why="the address is in use", cure="choose another port, or 0"
            ) from None
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {listen}", why=error.strerror or str(error), cure="choose an address of this machine"
            ) from None
        shown = f"[{host}]" if ":" in host else host
        self.endpoint = f"http://{shown}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="lab", daemon=True
        )
        self._thread.start()
        self._await_answer()

    def _await_answer(self) -> None:
        with urllib.request.urlopen(f"{self.endpoint}/_lab/health", timeout=START_SECONDS) as answer:  # noqa: S310 - ours
            answer.read()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> "LabServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _build(folder: Path, plan: FaultPlan, keep_s3: bool) -> "LabApplication":
    """The applications over one folder. moto is loaded here, under the lab's settings."""
    from holdfast.lab.moto_settings import set_moto_settings

    set_moto_settings(folder)
    from moto.iam.models import get_account_id_from

    from holdfast.lab.application import LabApplication
    from holdfast.lab.block_store import BlockStore
    from holdfast.lab.ebs_direct import Caller, EbsDirect
    from holdfast.lab.ebs_quotas import EbsQuotas
    from holdfast.lab.ebs_routes import EbsRoutes
    from holdfast.lab.ec2_volumes import BlockService, install, show_snapshot
    from holdfast.lab.lab_routes import LabRoutes
    from holdfast.lab.moto_application import MotoApplication
    from holdfast.lab.request_log import RequestLog
    from holdfast.lab.request_scope import scope_of
    from holdfast.lab.s3_keeping import KeepingS3
    from holdfast.lab.s3_order import OneWriterPerKey
    from holdfast.lab.s3_state import S3State
    from holdfast.lab.tokens import TokenIssuer, load_or_make_key

    clock = LabClock()
    store = BlockStore(folder, clock.now)
    pending_seconds = plan.spec.pending_seconds
    install(BlockService(store, clock.now, pending_seconds))
    tokens = TokenIssuer(load_or_make_key(folder / "token.key"), clock.now)
    direct = EbsDirect(store, tokens, clock.now, pending_seconds, show_snapshot)
    quotas = EbsQuotas(time.monotonic) if plan.spec.quotas else None

    def identify(environ: dict[str, object]) -> Caller:
        scope = scope_of(environ)
        return Caller(get_account_id_from(scope.access_key), scope.region)

    log = RequestLog()

    def replace_faults(replacement: FaultPlan) -> None:
        application.faults = replacement

    moto: WSGIApplication = MotoApplication()
    if keep_s3:
        kept = S3State(folder / "s3")
        kept.recall()
        moto = KeepingS3(moto, kept.keep)
    moto = OneWriterPerKey(moto)
    routes = LabRoutes(store, clock, log, replace_faults)
    application = LabApplication(routes, EbsRoutes(direct, identify, quotas), moto, log)
    application.faults = plan
    return application


@contextmanager
def state_folder(state: Path | None) -> Iterator[Path]:
    """The folder to keep everything in: `state`, or one that is gone afterwards."""
    if state is None:
        with tempfile.TemporaryDirectory(prefix="holdfast-lab-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
        with (state / ".writable").open("w"):
            pass
        (state / ".writable").unlink()
    except OSError as error:
        raise PermissionDeniedError(
            f"cannot keep the lab's state in {state}", why=error.strerror or str(error), cure="choose another --state"
        ) from None
    yield state.resolve()


def serve(
    listen: str,
    faults: str,
    state: Path | None,
    announce: Callable[[str], None],
    ended: threading.Event | None = None,
) -> None:
    """Run a lab until SIGINT, SIGTERM or the event `ended`; `announce` is handed the endpoint once requests are
    answered.

    Signals are taken over only in the main thread. Errors: MissingExtraError, UsageError, ConflictError (address in
    use).
    """
    stop = ended or threading.Event()
    with (
        state_folder(state) as folder,
        _signals_set(stop),
        LabServer(listen, faults, folder, keep_s3=state is not None) as server,
    ):
        announce(server.endpoint)
        stop.wait()


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set the event."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, on_signal))
        yield
