"""The parts of a lab put together over one folder. This module loads moto."""

import time
from collections import deque
from http import HTTPStatus
from pathlib import Path
from wsgiref.types import WSGIApplication, WSGIEnvironment

from moto.s3.models import FakeKey

from holdfast.lab import service_quotas
from holdfast.lab.access.enforcing import account_of, enforce
from holdfast.lab.application import LabApplication
from holdfast.lab.block_store import BlockStore
from holdfast.lab.clock import LabClock
from holdfast.lab.ebs_direct import Caller, EbsDirect
from holdfast.lab.ebs_quotas import EbsQuotas
from holdfast.lab.ebs_routes import EbsRoutes
from holdfast.lab.ec2_volumes import BlockService, install, key_of_new, show_snapshot
from holdfast.lab.faults import FaultPlan
from holdfast.lab.instances.installation import add_instances
from holdfast.lab.instances.power import InstanceFaults, InstanceWorld
from holdfast.lab.lab_routes import LabRoutes
from holdfast.lab.moto_application import MotoApplication
from holdfast.lab.moto_settings import set_moto_settings
from holdfast.lab.new_things import NewThings
from holdfast.lab.request_log import RequestLog
from holdfast.lab.request_scope import scope_of
from holdfast.lab.s3_archive import ArchivingS3, Retrievals
from holdfast.lab.s3_batch import BatchJobs, BatchOperations
from holdfast.lab.s3_keeping import KeepingS3
from holdfast.lab.s3_locks import LockingS3
from holdfast.lab.s3_order import OneRequestPerKey
from holdfast.lab.s3_state import S3State
from holdfast.lab.stacks import lab_stack as stacks
from holdfast.lab.tokens import TokenIssuer, load_or_make_key


def build(folder: Path, plan: FaultPlan, endpoint: str, *, keep_s3: bool) -> LabApplication:
    """The whole lab as one application. moto is one to a process: the lab built last is the one that has it.

    `endpoint` is where the lab's own instances find it.
    """
    set_moto_settings(folder)
    clock = LabClock()
    store = BlockStore(folder, clock.now)
    pending_seconds = plan.spec.pending_seconds
    install(BlockService(store, clock.now, pending_seconds))
    enforcement = enforce(clock.now, plan.spec.iam_seconds)
    stacks.install(stacks.StackTime(clock.now, pending_seconds))
    service_quotas.install(plan.spec.vcpus)
    tokens = TokenIssuer(load_or_make_key(folder / "token.key"), clock.now)
    direct = EbsDirect(store, tokens, clock.now, pending_seconds, show_snapshot, key_of_new)
    quotas = EbsQuotas(time.monotonic) if plan.spec.quotas else None

    def identify(environ: WSGIEnvironment) -> Caller:
        return Caller(account_of(environ), scope_of(environ).region)

    log = RequestLog()

    def replace_faults(replacement: FaultPlan) -> None:
        application.faults = replacement

    retrievals = Retrievals(clock.now)
    moto: WSGIApplication = ArchivingS3(LockingS3(MotoApplication(), clock.now), retrievals)
    # moto remembers every key it ever made, for a dashboard; a lab may run for long.
    FakeKey.instances_tracked = deque(maxlen=0)  # type: ignore[attr-defined]
    if keep_s3:
        kept = S3State(folder / "s3", retrievals)
        kept.recall()
        moto = KeepingS3(moto, kept.keep)
    moto = BatchOperations(OneRequestPerKey(moto), BatchJobs(clock.now, retrievals, enforcement.may))
    if plan.spec.hidden_seconds:
        moto = NewThings(moto, clock.now, plan.spec.hidden_seconds)
    routes = LabRoutes(store, clock, log, replace_faults)
    routes.add("GET", "access", lambda _: (HTTPStatus.OK, enforcement.witness.document()))
    ebs = EbsRoutes(direct, identify, quotas)
    application = LabApplication(routes, enforcement.guard(ebs), enforcement.guard(moto), log)
    application.faults = plan
    instance_faults = InstanceFaults(plan.spec.boots, plan.spec.vcpus)
    world = InstanceWorld(folder / "instances", endpoint, clock.now, pending_seconds, instance_faults)
    application.on_close = add_instances(world, routes)
    return application
