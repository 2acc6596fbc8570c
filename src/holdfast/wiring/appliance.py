"""`holdfast appliance run`: an appliance put together."""

import asyncio
import hashlib
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from holdfast.appliance.desk.workflows import Workflows, make_workflows
from holdfast.appliance.housekeeping import Housekeeping, Rhythm
from holdfast.appliance.offices.ownership import known_aws_settings
from holdfast.appliance.ports.records import Records
from holdfast.appliance.ports.surroundings import Surroundings
from holdfast.appliance.service import ApplianceService
from holdfast.appliance.sessions.lanes import Limits
from holdfast.appliance.surface import EngineSlot, Patience, Surface
from holdfast.appliance.upkeep.reaper import Reaper
from holdfast.aws.cloud import AwsCloud, CloudMemory
from holdfast.database.appliance_records import appliance_records
from holdfast.database.connection import Database
from holdfast.database.sole_process import sole_process
from holdfast.domain.errors import NotFoundError, ObjectExistsError
from holdfast.domain.identifiers import new_id
from holdfast.domain.secret_box import TravellingBox
from holdfast.engine.dbos_engine import DbosEngine
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.protocol.certificates import fingerprint_of
from holdfast.repository.stores.location import ROLE_VARIABLE, open_store
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.rest.appliance_api.application import appliance_application
from holdfast.rest.listening import listening
from holdfast.rest.tls import keep_certificate, server_context, trust
from holdfast.wiring.appliance_home import ApplianceHome
from holdfast.wiring.ending import ended_by_signals
from holdfast.wiring.key_box import key_box
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.local_worker_processes import LocalWorkerProcesses
from holdfast.wiring.location_memory import FileLocationMemory, home_folder
from holdfast.wiring.machine import CarryingThreads, machine_surroundings
from holdfast.wiring.open_repositories import KeptOpenRepositories
from holdfast.wiring.private_files import private_folder, sole_user, write_private

# Steps that block, each in a thread: as many as tasks may run at once, and some for what runs beside them.
STEP_THREADS = 96
ENGINE_CLOSE_SECONDS = 4.0
_APPLIANCE_ID = "appliance-id"

Announce = Callable[[dict[str, str]], None]


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What a person asked for. `server_certificate` and `announce_to` go together: an appliance that was deployed."""

    listen: str
    home: Path | None = None
    database_url: str | None = None
    server_certificate: Path | None = None
    announce_to: str | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class Tempo:
    """How patient it is, how often it looks after itself, how it waits for AWS. Rehearsals and tests are in a hurry."""

    patience: Patience = field(default_factory=Patience)
    rhythm: Rhythm = field(default_factory=Rhythm)
    waiting: Waiting = REAL_WAITING


_USUAL = Tempo()


def run(order: RunOrder, announce: Announce, tempo: Tempo = _USUAL) -> None:
    """Run the appliance until a signal ends it; `announce` is handed its address, fingerprint and code file.

    Raises ConflictError for a second appliance on one home or database, or an address in use.
    """
    home = ApplianceHome(order.home or home_folder())
    private_folder(home.home)
    private_folder(home.folder)
    with (
        sole_user(home.folder, "an appliance"),
        ended_by_signals() as ended,
        sole_process(order.database_url or home.database, "appliance", ended.set),
        _database(home, order.database_url) as records,
        _surface(home, records, key_box(home.key, order.kms_key, LazyKeyService()), tempo) as surface,
    ):
        workflows = make_workflows(surface)
        service = ApplianceService(surface, workflows)
        name = f"holdfast appliance {surface.appliance_id[:12]}"
        key_path, certificate_path = keep_certificate(home.tls, name, _now())
        adopted = order.server_certificate is not None and _adopt(service, order.server_certificate)
        context = server_context(key_path, certificate_path, service.known_certificates())
        with (
            _working(home, surface, workflows, service, tempo.rhythm),
            listening(_application(service, context), order.listen, context) as address,
        ):
            certificate = certificate_path.read_text(encoding="ascii")
            if order.announce_to is not None:
                _show_certificate(order.announce_to, certificate)
            facts = _first_words(home, f"https://{address}", certificate)
            announce(facts if adopted else facts | _enrolment_code(home, service))
            ended.wait()
            service.stop_waiting()


@contextmanager
def _database(home: ApplianceHome, url: str | None) -> Iterator[Records]:
    database = Database.open(url or home.database, "appliance")
    try:
        yield appliance_records(database)
    finally:
        database.close()


@contextmanager
def _surface(home: ApplianceHome, records: Records, box: TravellingBox, tempo: Tempo) -> Iterator[Surface]:
    appliance_id = records.settings.get(_APPLIANCE_ID)
    if appliance_id is None:
        appliance_id = new_id(os.urandom(16))
        records.settings.put(_APPLIANCE_ID, appliance_id)
    region = AwsSession().region
    cloud = AwsCloud(
        appliance_id, region, partial(known_aws_settings, records), CloudMemory(records.ledger, _now), tempo.waiting
    )
    memory = FileLocationMemory(home.folder, lambda _text: None)
    with (
        machine_surroundings() as machine,
        CarryingThreads(STEP_THREADS, "steps") as steps,
        _closing_repositories(
            KeptOpenRepositories(
                records.repositories, box, memory, machine, retrieval_role=partial(_retrieval_role, records)
            )
        ) as repositories,
    ):
        yield Surface(
            appliance_id=appliance_id,
            region=region,
            records=records,
            cloud=cloud,
            repositories=repositories,
            local_workers=LocalWorkerProcesses(),
            secrets=box,
            surroundings=Surroundings(_now, os.urandom, asyncio.sleep, partial(_aside, steps)),
            engine=EngineSlot(),
            patience=tempo.patience,
        )
        cloud.close()


def _retrieval_role(records: Records) -> str | None:
    """The one that the plug-in has made, else what the environment says to an appliance that no plug-in deployed."""
    settings = known_aws_settings(records)
    made = None if settings is None else settings.retrieval_role_arn
    return made or os.environ.get(ROLE_VARIABLE)


@contextmanager
def _closing_repositories(repositories: KeptOpenRepositories) -> Iterator[KeptOpenRepositories]:
    try:
        yield repositories
    finally:
        repositories.close()


@contextmanager
def _working(
    home: ApplianceHome, surface: Surface, workflows: Workflows, service: ApplianceService, rhythm: Rhythm
) -> Iterator[None]:
    """The engine goes on with what was cut short, and what the appliance does by itself is done."""
    engine = DbosEngine(home.engine, workflows.named)
    surface.engine.put(engine)
    housekeeping = Housekeeping(surface, workflows, service, Reaper(surface), rhythm)
    housekeeping.prepare(Limits())
    engine.open()
    try:
        housekeeping.start()
        try:
            yield
        finally:
            housekeeping.stop()
    finally:
        engine.close(ENGINE_CLOSE_SECONDS)


def _application(service: ApplianceService, context: ssl.SSLContext) -> Any:
    return appliance_application(service, partial(trust, context)).asgi


def _aside(steps: Executor, call: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
    return asyncio.get_running_loop().run_in_executor(steps, partial(call, *arguments))


def _adopt(service: ApplianceService, certificate: Path) -> bool:
    """Belong to the server that the start names, if to none so far; whether it was so."""
    try:
        pem = certificate.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(
            f"the server's certificate {certificate} cannot be read", why=str(error), cure="check --trust-server"
        ) from error
    if service.owner_certificate() is not None:
        return False
    service.adopt(fingerprint_of(pem), pem)
    return True


def _show_certificate(place: str, certificate: str) -> None:
    """Put it where only this appliance's role may write and the server looks. It is there already after a restart."""
    location, _, name = place.rpartition("/")
    store = open_store(location)
    content = certificate.encode("ascii")
    try:
        with suppress(ObjectExistsError):
            store.create(name, content, hashlib.sha256(content).digest())
    finally:
        store.close()


def _first_words(home: ApplianceHome, url: str, certificate: str) -> dict[str, str]:
    """What a person needs to know of an appliance that runs."""
    return {"url": url, "certificate_sha256": fingerprint_of(certificate), "home": str(home.home)}


def _enrolment_code(home: ApplianceHome, service: ApplianceService) -> dict[str, str]:
    """Each start makes a code, but one that names the server: whoever may read the file may take the appliance over,
    when its server is lost.
    """
    write_private(home.enrolment_code, service.new_enrolment_code().encode())
    return {"enrolment_code_file": str(home.enrolment_code)}


def _now() -> datetime:
    return datetime.now(UTC)
