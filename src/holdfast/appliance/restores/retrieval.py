"""A restore from an archive: what it reads is retrieved first, which takes hours, and kept until it has been read.

The restore itself is the workflow `restore`, as from any repository: it begins, and waits for its turn, when everything
can be read. All that is remembered of a retrieval is what the store tells; whoever goes on finds what is under way.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from holdfast.appliance.points.damage import NOT_LOOKED_AT, PointDamage
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.restores.order import RestoreOrders
from holdfast.appliance.restores.plan import RestorePlanner
from holdfast.appliance.restores.task import RESTORE
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.sessions.rounds import ENGINE_ASKED_EVERY
from holdfast.appliance.sessions.waiting import pause
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.errors import CancelledError, HoldfastError, PermissionDeniedError, UnavailableError
from holdfast.domain.numerals import counted
from holdfast.domain.retrieval import ColdData, RetrievalOrder, pause_before_next_look
from holdfast.domain.session import LogLevel, TaskProgress
from holdfast.domain.time import format_time

RETRIEVAL = "retrieval"


@dataclass(frozen=True, slots=True)
class ColdSource:
    """What is read, and where it lies."""

    repository: str
    point: str
    tenant: str
    volumes: tuple[str, ...]


class RetrievalTask:
    """The workflow `retrieval`, of a session that restores."""

    def __init__(self, surface: Surface, book: SessionBook, planner: RestorePlanner, damage: PointDamage) -> None:
        self._surface = surface
        self._book = book
        self._planner = planner
        self._damage = damage
        self._orders = RestoreOrders(surface, book, planner)

    async def run(self, step: Step, session_id: str, task_id: str) -> None:
        """The session, to its end, which is the restore's."""
        try:
            source: dict[str, Any] = await step(self.begin, session_id, task_id)
        except HoldfastError as error:
            await step(self.end, session_id, task_id, error)
            return
        try:
            await step(self.until_readable, session_id, task_id, source)
            await step(self.start_restore, session_id, task_id)
        except HoldfastError as error:
            look, point = self._damage.look_after_failure, source["point"]
            await undone(step, self._book, session_id, look, session_id, task_id, point, error, later=NOT_LOOKED_AT)
            await undone(step, self._book, session_id, self.end_reading, session_id, source)
            await step(self.end, session_id, task_id, error)
            return
        await step(self.keep_while_restored, session_id, task_id, source)
        await undone(step, self._book, session_id, self.end_reading, session_id, source)

    def begin(self, session_id: str, task_id: str) -> dict[str, Any]:
        """What is to be read, as it is decided once."""
        self._book.begin(session_id)
        self._book.begin_task(task_id)
        self._book.check_cancelled(session_id)
        wish, source = self._orders.of(session_id).wish, self._orders.source(session_id)
        tenant = self._surface.tenant(source.point.workload.account)
        devices = tuple(self._planner.volumes(wish, source))
        return asdict(ColdSource(source.point.repository or "", source.point.id, tenant, devices))

    async def until_readable(self, session_id: str, task_id: str, source: dict[str, Any]) -> None:
        """Ask for what is cold, and look for it now and then, however long it takes. What cannot be asked for some time
        is asked again.
        """
        surroundings, patience = self._surface.surroundings, self._surface.patience
        began = heard = surroundings.now()
        told = ""
        while True:
            self._book.check_cancelled(session_id)
            try:
                data: ColdData = await surroundings.aside(self._go_on, session_id, source)
            except UnavailableError as error:
                if (surroundings.now() - heard).total_seconds() >= patience.cold_silence_seconds:
                    raise
                stage = f"cannot ask for what is cold now: {error.what}"
            else:
                heard = surroundings.now()
                stage = _stage(data)
                self._progress(task_id, TaskProgress(data.readable_bytes, data.cold_bytes))
                if data.is_readable:
                    break
                if data.archived_packs:
                    continue
            if stage != told:
                told = stage
                self._book.stage(task_id, stage)
            next_look = pause_before_next_look(surroundings.now() - began)
            await pause(self._surface, self._book, session_id, next_look.total_seconds())
        self._progress(task_id, TaskProgress())
        self._book.say(session_id, _all_there(data), LogLevel.INFO, task_id)

    def start_restore(self, session_id: str, task_id: str) -> None:
        """It waits in the lane of restores."""
        self._book.check_cancelled(session_id)
        self._book.stage(task_id, "waiting for the turn of the restore")
        lane = self._orders.of(session_id).lane
        self._surface.engine().start(RESTORE, task_id, (session_id, task_id), lane)

    async def keep_while_restored(self, session_id: str, task_id: str, source: dict[str, Any]) -> None:
        """Until the restore has ended, copies do not go. One that is cancelled before its turn ends here."""
        surroundings, polls, trouble = self._surface.surroundings, 0, ""
        began = looked = surroundings.now()
        while not await surroundings.aside(self._is_over, session_id, task_id, polls % ENGINE_ASKED_EVERY == 0):
            polls += 1
            now = surroundings.now()
            if now - looked >= pause_before_next_look(now - began):
                looked = now
                try:
                    await surroundings.aside(self._go_on, session_id, source)
                except HoldfastError as error:
                    if str(error) != trouble:
                        trouble = str(error)
                        self._book.say(session_id, f"cannot look after what was retrieved: {error}", LogLevel.WARNING)
            await surroundings.sleep(self._surface.patience.turn_poll_seconds)

    def end_reading(self, session_id: str, source: dict[str, Any]) -> None:
        """Unpin the point, which may be deleted by now; its copies go by themselves."""
        with self._surface.repositories.open(ColdSource(**source).repository) as repository:
            repository.end_reading(_reader_of(session_id))

    def end(self, session_id: str, task_id: str, error: HoldfastError) -> None:
        """Task and session, where no restore has begun."""
        self._book.end_task(task_id, error)
        self._book.end(session_id)

    def _go_on(self, session_id: str, source: dict[str, Any]) -> ColdData:
        cold, order = ColdSource(**source), self._ordered(session_id)
        ordered = self._surface.records.sessions.get(session_id).created_at

        def tell(text: str) -> None:
            self._book.say(session_id, text)

        with self._surface.repositories.open(cold.repository) as repository:
            reader = _reader_of(session_id)
            try:
                return repository.retrieve(reader, cold.point, cold.tenant, cold.volumes, order, ordered, tell)
            except PermissionDeniedError as error:
                cure = "holdfast plugin install aws --set repositories=BUCKET/PREFIX?archive,…"
                raise PermissionDeniedError(
                    error.what, why=error.why, cure=f"say to the plug-in that the repository is an archive: {cure}"
                ) from error

    def _progress(self, task_id: str, progress: TaskProgress) -> None:
        self._book.change(task_id, lambda task: replace(task, progress=progress))

    def _is_over(self, session_id: str, task_id: str, asks_engine: bool) -> bool:
        sessions, engine = self._surface.records.sessions, self._surface.engine()
        if sessions.task(task_id).state.final:
            return True
        if sessions.cancel_requested(session_id) and engine.drop_queued(task_id):
            why = "somebody asked for it"
            self.end(session_id, task_id, CancelledError("the session was cancelled", why=why, cure="start it again"))
            return True
        return asks_engine and not engine.running(task_id)

    def _ordered(self, session_id: str) -> RetrievalOrder:
        order = self._orders.of(session_id).wish.retrieval
        if order is None:
            raise TypeError("a session that retrieves was ordered with a tier")
        return order


def _reader_of(session_id: str) -> str:
    """Under which the point is pinned, known before it is and whatever is forgotten."""
    return derived_id(session_id, RETRIEVAL)


def _stage(data: ColdData) -> str:
    return f"retrieving: {data.readable_packs} of {counted(data.cold_packs, 'pack')} can be read"


def _all_there(data: ColdData) -> str:
    until = "" if data.readable_until is None else f" until {format_time(data.readable_until)}, and longer while needed"
    return f"the data is back: {counted(data.cold_packs, 'pack')} from {data.storage_class} can be read{until}"
