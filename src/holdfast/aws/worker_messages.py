"""The two queues of a worker: its task comes from one, its events go to the other (Amazon SQS)."""

from holdfast.aws.clients import PatientClient
from holdfast.protocol.worker_messages import TaskPointer, WorkerEvent, decode_pointer, encode_event
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.signed_http.patience import RetryPolicy
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

    def take(self, wait_seconds: float) -> TaskPointer | None:
        """One message; SQS waits in whole seconds, at most twenty."""
        wait = max(0, min(20, round(wait_seconds)))
        answer = self._client.call(
            "ReceiveMessage", f"queue {self._url}", QueueUrl=self._url, MaxNumberOfMessages=1, WaitTimeSeconds=wait
        )
        for message in answer.get("Messages", ()):
            self._client.call(
                "DeleteMessage", f"queue {self._url}", QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
            )
            return decode_pointer(message["Body"])
        return None

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
