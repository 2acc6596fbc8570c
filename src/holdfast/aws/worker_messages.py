"""The two queues of a worker: its task comes from one, its events go to the other (Amazon SQS)."""

from holdfast.aws.clients import PatientClient
from holdfast.patience import RetryPolicy
from holdfast.protocol.worker_messages import TaskPointer, WorkerEvent, decode_pointer, encode_event
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.worker.ports import EventSink

# An event that is not taken is kept and sent again by the worker, which goes on meanwhile.
_EVENT_POLICY = RetryPolicy(attempts=4, first_delay_seconds=0.2, total_seconds=20.0)


class SqsTaskQueue:
    """Implements TaskQueue over one queue. A message is deleted when it is taken: a task is never done twice by chance,
    and whoever sent it decides about another attempt.
    """

    def __init__(self, session: AwsSession, url: str) -> None:
        self._client = PatientClient(session, "sqs")
        self._url = url
        # One that came and could not be deleted yet: it is invisible, and would not come again for a while.
        self._received: dict[str, str] | None = None

    def take(self, wait_seconds: float) -> TaskPointer | None:
        """One message; SQS waits in whole seconds, at most twenty. Refused to delete it, the next call tries again."""
        if self._received is None:
            self._received = self._receive(wait_seconds)
        if self._received is None:
            return None
        receipt, body = self._received["ReceiptHandle"], self._received["Body"]
        self._client.call("DeleteMessage", f"queue {self._url}", QueueUrl=self._url, ReceiptHandle=receipt)
        self._received = None
        return decode_pointer(body)

    def _receive(self, wait_seconds: float) -> dict[str, str] | None:
        wait = max(0, min(20, round(wait_seconds)))
        answer = self._client.call(
            "ReceiveMessage", f"queue {self._url}", QueueUrl=self._url, MaxNumberOfMessages=1, WaitTimeSeconds=wait
        )
        found = answer.get("Messages", ())
        return dict(found[0]) if found else None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class SqsEventSink:
    """Implements EventSink over one queue."""

    def __init__(self, session: AwsSession, url: str) -> None:
        self._client = PatientClient(session, "sqs", policy=_EVENT_POLICY)
        self._url = url

    def send(self, event: WorkerEvent) -> None:
        """SendMessage; an answer that was lost makes the event arrive twice."""
        self._client.call("SendMessage", f"queue {self._url}", QueueUrl=self._url, MessageBody=encode_event(event))


class SqsEventSinks:
    """Implements EventSinks: each pointer names its queue; all queues of an appliance are in one region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def of(self, pointer: TaskPointer) -> EventSink:
        """The sink over the pointer's queue of events."""
        return SqsEventSink(self._session, pointer.events_queue_url)
