"""The way to the EBS direct APIs: control calls through botocore, blocks through signed HTTP."""

import base64
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import cached_property
from urllib.parse import quote, urlsplit

from holdfast.aws.clients import PatientClient
from holdfast.aws.ebs_blocks.budget import RequestBudget, shared_budget
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.stores.s3.session import AwsSession, utc_now
from holdfast.signed_http.messages import HttpRequest, HttpResponse
from holdfast.signed_http.sigv4 import EMPTY_PAYLOAD_SHA256, UNSIGNED_PAYLOAD, SigV4Signer
from holdfast.signed_http.transport import CurlTransport

# Blocks under way at once: at 100 ms each, as AWS reckons, 640 a second from one connection pool.
WINDOW_BLOCKS = 64
# Room for an error document beside a block.
_MAX_ANSWER_BYTES = BLOCK_SIZE_BYTES + 64 * 1024


class EbsConnection:
    """EBS in one region, as one identity. `clock` dates the signatures; `waiting` serves budgets and retries."""

    def __init__(
        self, session: AwsSession, *, clock: Callable[[], datetime] = utc_now, waiting: Waiting = REAL_WAITING
    ) -> None:
        self.waiting = waiting
        self.ebs = PatientClient(session, "ebs", waiting=waiting)
        self._session = session
        self._clock = clock
        parts = urlsplit(self.ebs.endpoint)
        self._scheme, self._host, self._base_path = parts.scheme, parts.netloc, parts.path.rstrip("/")
        self._signer = SigV4Signer("ebs", self.ebs.region)
        self._transport = CurlTransport(max_connections=WINDOW_BLOCKS)

    @property
    def region(self) -> str:
        """The region of all snapshots named here."""
        return self.ebs.region

    @cached_property
    def ec2(self) -> PatientClient:
        """EC2 in the same region; only who writes snapshots needs it."""
        return PatientClient(self._session, "ec2", waiting=self.waiting)

    @cached_property
    def get_budget(self) -> RequestBudget:
        """What GetSnapshotBlock may ask."""
        return self._budget("ebs:GetSnapshotBlock")

    @cached_property
    def put_budget(self) -> RequestBudget:
        """What PutSnapshotBlock may ask."""
        return self._budget("ebs:PutSnapshotBlock")

    def get_block(self, snapshot_id: str, number: int, token: str) -> Future[HttpResponse]:
        """Ask for one block, when the budget allows it; the answer is not judged here."""
        self.get_budget.acquire()
        path = f"{self._base_path}/snapshots/{snapshot_id}/blocks/{number}"
        return self._send("GET", path, f"blockToken={quote(token, safe='-_.~')}", {}, EMPTY_PAYLOAD_SHA256)

    def put_block(self, snapshot_id: str, number: int, block: bytes, sha256: bytes) -> Future[HttpResponse]:
        """Send one whole block, when the budget allows it; the answer is not judged here.

        The signature covers the checksum header and not the body: the API's own rule (API reference, PutSnapshotBlock).
        """
        self.put_budget.acquire()
        headers = {
            "content-type": "application/octet-stream",
            "x-amz-checksum": base64.b64encode(sha256).decode(),
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-data-length": str(len(block)),
        }
        path = f"{self._base_path}/snapshots/{snapshot_id}/blocks/{number}"
        return self._send("PUT", path, "", headers, UNSIGNED_PAYLOAD, block)

    def close(self) -> None:
        """Close all connections. Safe to call twice."""
        self._transport.close()
        self.ebs.close()
        if "ec2" in self.__dict__:
            self.ec2.close()

    def _send(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        payload_sha256: str,
        body: bytes | None = None,
    ) -> Future[HttpResponse]:
        signed = self._signer.sign(
            method, self._host, path, query, headers, payload_sha256, self._session.credentials(), self._clock()
        )
        url = f"{self._scheme}://{self._host}{path}" + (f"?{query}" if query else "")
        return self._transport.submit(HttpRequest(method, url, signed, body, max_response_bytes=_MAX_ANSWER_BYTES))

    def _budget(self, action: str) -> RequestBudget:
        """Shared by everybody in this process who is the same identity: botocore seldom knows the account."""
        return shared_budget(self._session.credentials().access_key_id, self.region, action)
