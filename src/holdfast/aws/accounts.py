"""Whose credentials a call is made with: the appliance's own, or those of a role in another account."""

import hashlib
import threading
from collections.abc import Callable
from typing import Any

from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import PermissionDeniedError
from holdfast.domain.infrastructure import Account
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.repository.stores.s3.session import AwsSession

# The longest that role chaining allows: the appliance's own credentials are a role's, too.
ROLE_SESSION_SECONDS = 3600
_METHOD = "holdfast-role"


class RoleSession(AwsSession):
    """Credentials of a role, assumed when first needed and again before they end."""

    def __init__(self, region: str, assume: Callable[[], dict[str, str]]) -> None:
        super().__init__(region)
        provider = _RoleProvider(assume)
        self._session.register_component("credential_provider", CredentialResolver([provider]))


class _RoleProvider(CredentialProvider):
    METHOD = _METHOD

    def __init__(self, assume: Callable[[], dict[str, str]]) -> None:
        super().__init__()
        self._assume = assume

    def load(self) -> Any:
        return DeferredRefreshableCredentials(self._assume, _METHOD)


class AwsAccounts:
    """Clients by account, region and service; each is made once. May be used from many threads."""

    def __init__(self, appliance_id: str, home_region: str, waiting: Waiting = REAL_WAITING) -> None:
        """`home_region` is where STS is asked; `appliance_id` names the sessions of assumed roles."""
        self._session_name = f"holdfast-{appliance_id}"[:64]
        self._home_region = home_region
        self._waiting = waiting
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], AwsSession] = {}
        self._clients: dict[tuple[str, str, str], PatientClient] = {}
        self._identities: dict[str, str] = {}

    @property
    def waiting(self) -> Waiting:
        """How time passes for everybody who works through these clients."""
        return self._waiting

    def client(self, account: Account, region: str, service: str) -> PatientClient:
        """The client of a service for that account and region."""
        who = _key(account)
        with self._lock:
            client = self._clients.get((who, region, service))
            if client is None:
                client = PatientClient(self._session(account, region), service, waiting=self._waiting)
                self._clients[(who, region, service)] = client
            return client

    def identity(self, account: Account) -> str:
        """The AWS account id. Raises PermissionDeniedError where the role cannot be assumed."""
        who = _key(account)
        if who not in self._identities:
            answer = self.client(account, self._home_region, "sts").call("GetCallerIdentity", f"account {account.name}")
            self._identities[who] = str(answer["Account"])
        return self._identities[who]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _session(self, account: Account, region: str) -> AwsSession:
        who = _key(account)
        session = self._sessions.get((who, region))
        if session is None:
            session = RoleSession(region, lambda: self._assume(account)) if account.role_arn else AwsSession(region)
            self._sessions[(who, region)] = session
        return session

    def _assume(self, account: Account) -> dict[str, str]:
        """What STS hands out, in botocore's words. A role is refused in the same words as one that does not exist."""
        sts = PatientClient(AwsSession(self._home_region), "sts", waiting=self._waiting)
        role_arn = account.role_arn or ""
        external = {"ExternalId": account.external_id} if account.external_id else {}
        try:
            answer = sts.call(
                "AssumeRole",
                f"role {role_arn}",
                RoleArn=role_arn,
                RoleSessionName=self._session_name,
                DurationSeconds=ROLE_SESSION_SECONDS,
                **external,
            )
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"the role of account {account.name} cannot be assumed: sts:AssumeRole on {role_arn} was refused",
                why=error.why,
                cure="let the role trust the role of this appliance, name the external id that it asks for, and name "
                "the role to the plug-in (its option roles, docs/plugins.md)",
            ) from error
        finally:
            sts.close()
        given = answer["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }


def _key(account: Account) -> str:
    """Accounts are the same when their role and external id are."""
    if account.role_arn is None:
        return ""
    return hashlib.sha256(f"{account.role_arn}\n{account.external_id or ''}".encode()).hexdigest()
