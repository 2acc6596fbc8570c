"""An appliance whose records are real (SQLite in a folder) and which does nothing by itself; its app on a socket."""

import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from holdfast.database.appliance_records import appliance_records
from holdfast.database.connection import Database
from holdfast.domain.errors import ConflictError, NotAuthenticatedError
from holdfast.domain.history import SessionHistory
from holdfast.domain.restore import Change, PlannedObject, RestorePlan
from holdfast.domain.session import SessionKind, State
from holdfast.plugin_api import ServerIdentity
from holdfast.protocol.appliance_answers import (
    AccountCheck,
    ApplianceFacts,
    ChangePage,
    FarewellState,
    LaneState,
    PointDetail,
    PolicyApplied,
    RepositoryRescanned,
    SessionDetail,
    SnapshotsRescanned,
)
from holdfast.protocol.certificates import fingerprint_of
from holdfast.rest.appliance_api.application import appliance_application
from holdfast.rest.appliance_api.authentication import EnrolmentTries
from holdfast.rest.client.appliance import ApplianceClient
from holdfast.rest.listening import listening
from holdfast.rest.tls import keep_certificate, server_context, trust
from holdfast.testing.sample_records import moment, session

NOW = datetime.now(UTC)
CODE = "the-one-time-code"


def identity(folder, name):
    """A server with key and certificate of its own."""
    key, certificate = keep_certificate(folder / name, name, NOW)
    return ServerIdentity(certificate, key, f"id of {name}")


class SmallAppliance:
    """`ApplianceUseCases`. `trouble`: what every call but `check_caller` raises."""

    def __init__(self, folder):
        self.records = appliance_records(Database.open(folder / "appliance.sqlite", "appliance"))
        self.trouble = None
        self.owner, self.former, self.settings, self.orders = None, set(), None, []
        self.leaving = False

    def _begin(self):
        if self.trouble is not None:
            raise self.trouble

    def facts(self):
        self._begin()
        return ApplianceFacts(
            "a" * 32, "1.0", 1, self.records.changes.newest(), "us-east-1", "1" * 12, True, self.owner, self.leaving
        )

    def check_caller(self, certificate_sha256):
        if certificate_sha256 in self.former:
            raise ConflictError("the appliance is owned by another server", why="it was enrolled", cure="connect again")
        if self.owner != certificate_sha256:
            raise NotAuthenticatedError("nobody knows who is asking", why="another certificate", cure="enrol")

    def enrol(self, code, server_id, certificate):
        self._begin()
        if code != CODE:
            raise NotAuthenticatedError("the code is wrong", why="it is another", cure="read it again")
        if self.owner is not None:
            self.former.add(self.owner)
        self.owner = fingerprint_of(certificate)
        return self.facts()

    def release(self):
        self.owner = None

    def say_farewell(self):
        self.leaving = True
        return FarewellState(0, ())

    def take_farewell_back(self):
        self.leaving = False

    def configure(self, settings):
        self.settings = settings

    def put_account(self, account):
        self._begin()
        self.records.accounts.put(account)
        return account

    def list_accounts(self):
        self._begin()
        return self.records.accounts.all()

    def get_account(self, name):
        return self.records.accounts.get(name)

    def remove_account(self, name):
        self.records.accounts.remove(name)

    def check_account(self, name):
        return AccountCheck(name, "1" * 12, ("ec2:CreateSnapshots",))

    def put_repository(self, repository, password):
        self.orders.append((repository.name, password))
        self.records.repositories.put(repository, None)
        return replace(repository, repository_id="r" * 32)

    def list_repositories(self):
        return self.records.repositories.all()

    def get_repository(self, name):
        return self.records.repositories.get(name)

    def accept_repository(self, name):
        self.orders.append(("accept", self.records.repositories.get(name).name))

    def rescan_repository(self, name, order):
        self.orders.append(("rescan", order))
        return RepositoryRescanned(self.records.repositories.get(name).name, 3, 2, ("one is left out",))

    def collect_garbage(self, name, wish):
        self.orders.append((self.records.repositories.get(name).name, wish))
        return replace(session(5, subject=name), kind=SessionKind.COLLECT_GARBAGE)

    def check_repository_removal(self, name, forget_points):
        self.orders.append(("check", self.records.repositories.get(name).name, forget_points))

    def remove_repository(self, name, forget_points):
        self.orders.append((name, forget_points))
        self.records.repositories.remove(name)

    def get_history(self):
        return SessionHistory(self.records.settings.get("days") or 90)

    def put_history(self, history):
        self.records.settings.put("days", history.keep_days)
        return history

    def apply_policy(self, document, dry_run):
        self.orders.append((document, dry_run))
        stored = self.records.policies.get(document["metadata"]["name"])
        return PolicyApplied(stored.policy, "unchanged", (), ())

    def list_policies(self):
        return self.records.policies.all()

    def get_policy(self, name):
        return self.records.policies.get(name)

    def remove_policy(self, name):
        self.records.policies.remove(name)

    def run_policy(self, name, targets):
        self.orders.append((name, targets))
        return session(1, subject=name)

    def stop_policy(self, name):
        return [session(1, State.CANCELLING, name)]

    def enable_policy(self, name, enabled):
        self.records.policies.enable(name, enabled, moment(1))
        return self.records.policies.get(name)

    def take_snapshot(self, account, region, instance_id, destination):
        return replace(session(2, subject=instance_id), kind=SessionKind.MANUAL_SNAPSHOT)

    def limits(self):
        return [LaneState("repository", "vault", 8, 1, 0)]

    def list_sessions(self, *, before, limit, kind=None, subject=None):
        return self.records.sessions.page(before=before, limit=limit, kind=kind, subject=subject)

    def get_session(self, session_id):
        self._begin()
        found = self.records.sessions.get(session_id)
        return SessionDetail(found, tuple(self.records.sessions.tasks(found.id)))

    def session_log(self, session_id, after, limit):
        return self.records.sessions.lines(session_id, after, limit)

    def cancel_session(self, session_id):
        self.records.sessions.request_cancel(session_id)
        return self.get_session(session_id)

    def list_points(self, *, before, limit, workload_id=None):
        return self.records.points.page(before=before, limit=limit, workload_id=workload_id)

    def get_point(self, point_id):
        return PointDetail(self.records.points.get(point_id), {"instance_type": "t3.micro"})

    def rescan_snapshots(self, account, region, lost_appliance):
        self.orders.append((account, region, lost_appliance))
        return SnapshotsRescanned(account, region, 3, 2, 1, ("one is left out",))

    def verify_point(self, point_id, worker_mode):
        self.orders.append((point_id, worker_mode))
        return replace(session(3, subject=point_id), kind=SessionKind.VERIFY)

    def delete_point(self, point_id):
        return replace(session(3, subject=point_id), kind=SessionKind.DELETE_POINT)

    def plan_restore(self, order):
        self.orders.append(order)
        return RestorePlan((PlannedObject(Change.CREATE, "instance", order.point),))

    def start_restore(self, order):
        self.orders.append(order)
        return replace(session(4, subject=order.point), kind=SessionKind.RESTORE)

    def changes(self, after, limit, wait_seconds):
        deadline = time.monotonic() + wait_seconds
        newest = self.records.changes.newest()
        while not (found := self.records.changes.after(after, limit)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return ChangePage(tuple(found), max(newest, found[-1].usn if found else 0), after)


class RunningAppliance:
    """One on a socket, with the server that owns it."""

    def __init__(self, folder, url, appliance, certificate, owner):
        self.folder, self.url, self.appliance, self.certificate, self.owner = folder, url, appliance, certificate, owner

    def client(self, server=None, certificate=None):
        """As that server would ask; the owner where none is named."""
        return ApplianceClient(
            self.url, certificate or self.certificate, server or self.owner, sleep=lambda seconds: None
        )


@contextmanager
def running(
    folder,
    appliance,
    *,
    certificate_name="appliance",
    listen="127.0.0.1:0",
    clock=time.monotonic,
    owned=True,
    end_seconds=2,
):
    """The appliance answers, owned by a server of its own unless it has an owner; what runs at the end has so long."""
    owner = identity(folder, "owner")
    pinned = owner.certificate.read_text()
    if owned and appliance.owner is None:
        appliance.owner = fingerprint_of(pinned)
    key, certificate = keep_certificate(folder / certificate_name, certificate_name, NOW)
    context = server_context(key, certificate, (pinned,) if owned else ())
    app = appliance_application(appliance, lambda pem: trust(context, pem), EnrolmentTries(clock), poll_seconds=0.01)
    with listening(app.asgi, listen, context, end_seconds) as where:
        yield RunningAppliance(folder, f"https://{where}", appliance, certificate.read_text(), owner)
