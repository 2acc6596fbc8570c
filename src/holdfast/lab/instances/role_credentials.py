"""The credentials of an instance's role: a session of moto's STS, named by the instance, which all of moto knows."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from moto.sts.models import AssumedRole, sts_backends
from moto.utilities.utils import get_partition

SESSION_SECONDS = 6 * 3600
# AWS has new credentials ready at least five minutes before the old ones end.
RENEWED_BEFORE_SECONDS = 10 * 60


class RoleCredentials:
    """Credentials of one instance; they are renewed before they expire, and when the role is another one."""

    def __init__(self, account: str, region: str, instance_id: str, now: Callable[[], float]) -> None:
        self._account = account
        self._region = region
        self._instance_id = instance_id
        self._now = now
        self._lock = threading.Lock()
        self._session: AssumedRole | None = None
        self._issued_at = 0.0

    def document(self, role_arn: str) -> str:
        """What iam/security-credentials/ROLE answers."""
        with self._lock:
            now = self._now()
            session = self._session
            if (
                session is None
                or session.role_arn != role_arn
                or now > self._issued_at + SESSION_SECONDS - RENEWED_BEFORE_SECONDS
            ):
                session = self._session = self._assume(role_arn, now)
                self._issued_at = now
            return json.dumps(
                {
                    "Code": "Success",
                    "LastUpdated": _text(self._issued_at),
                    "Type": "AWS-HMAC",
                    "AccessKeyId": session.access_key_id,
                    "SecretAccessKey": session.secret_access_key,
                    "Token": session.session_token,
                    "Expiration": _text(self._issued_at + SESSION_SECONDS),
                },
                indent=2,
            )

    def _assume(self, role_arn: str, now: float) -> AssumedRole:
        partition = get_partition(self._region)
        session = sts_backends[self._account][partition].assume_role(
            region_name=self._region,
            role_session_name=self._instance_id,
            role_arn=role_arn,
            policy="",
            duration=SESSION_SECONDS,
            external_id="",
        )
        # moto's times have no zone and mean UTC; the session ends on the lab's clock.
        session.expiration = datetime.fromtimestamp(now + SESSION_SECONDS, UTC).replace(tzinfo=None)
        return session


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
