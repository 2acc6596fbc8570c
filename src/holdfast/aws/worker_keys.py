"""The one key of a task, unwrapped by KMS for this instance and no other."""

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import WrongKeyError
from holdfast.protocol.worker_messages import CONTEXT_ATTEMPT, CONTEXT_SESSION, CONTEXT_USER_ID, TaskPointer
from holdfast.repository.stores.s3.session import AwsSession


class InstanceKeyUnwrapper:
    """Implements KeyUnwrapper with the role of the instance.

    The encryption context is made here of the pointer's session and attempt and of who this instance is, as STS says:
    what the pointer says of it is compared, never used. So a key that was wrapped for another instance cannot be
    opened, whatever stands in the message.
    """

    def unwrap(self, pointer: TaskPointer) -> bytes:
        """kms:Decrypt under the pointer's key, in the region that its ARN names; the task's may be another."""
        arn = pointer.kms_key_id.split(":")
        session = AwsSession(arn[3] if len(arn) > 5 else pointer.region)
        context = {
            CONTEXT_SESSION: pointer.session,
            CONTEXT_ATTEMPT: str(pointer.attempt),
            CONTEXT_USER_ID: _user_id(session),
        }
        if context != dict(pointer.encryption_context):
            raise WrongKeyError(
                f"{pointer.name} is not for this worker",
                why=f"its key was not wrapped for {context[CONTEXT_USER_ID]} and this attempt",
                cure="nothing was changed; whoever sent it starts another attempt",
            )
        client = PatientClient(session, "kms")
        try:
            answer = client.call(
                "Decrypt",
                f"the key of {pointer.name}",
                CiphertextBlob=pointer.wrapped_key,
                KeyId=pointer.kms_key_id,
                EncryptionContext=context,
            )
        finally:
            client.close()
        return bytes(answer["Plaintext"])


def _user_id(session: AwsSession) -> str:
    """`ROLE-ID:INSTANCE-ID`: what IAM calls aws:userid."""
    client = PatientClient(session, "sts")
    try:
        return str(client.call("GetCallerIdentity", "this instance")["UserId"])
    finally:
        client.close()
