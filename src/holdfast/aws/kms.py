"""Wrapping small secrets with a KMS key: kms:Encrypt and kms:Decrypt, bound to an encryption context."""

from collections.abc import Mapping

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import UsageError
from holdfast.repository.stores.s3.session import AwsSession

# kms:Encrypt takes no more (AWS KMS API Reference, Encrypt).
MAX_PLAINTEXT_BYTES = 4096


class KmsKeyWrapper:
    """Wraps and unwraps under KMS keys of one region; the plain key never leaves this process unwrapped."""

    def __init__(self, client: PatientClient | None = None) -> None:
        """Through that client of KMS, by default one with the environment's region and credentials."""
        self._client = client or PatientClient(AwsSession(), "kms")

    def wrap(self, key_id: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """`plaintext` (at most 4,096 bytes) under the key `key_id` (id, ARN or alias); the blob names its key.

        Raises UsageError, NotFoundError, PermissionDeniedError, ConflictError (key disabled), UnavailableError.
        """
        if len(plaintext) > MAX_PLAINTEXT_BYTES:
            raise UsageError(
                f"cannot wrap {len(plaintext)} bytes with KMS",
                why=f"KMS encrypts at most {MAX_PLAINTEXT_BYTES} bytes directly",
                cure="wrap a key, and encrypt the data under it",
            )
        answer = self._client.call(
            "Encrypt", f"KMS key {key_id}", KeyId=key_id, Plaintext=plaintext, EncryptionContext=dict(context)
        )
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, blob: bytes, context: Mapping[str, str], key_id: str | None = None) -> bytes:
        """What was wrapped; `context` must be the same, and so must the key where one is named.

        Raises WrongKeyError for another context or a changed blob, PermissionDeniedError, UnavailableError.
        """
        under = {} if key_id is None else {"KeyId": key_id}
        request = {"CiphertextBlob": blob, "EncryptionContext": dict(context), **under}
        answer = self._client.call("Decrypt", "a wrapped key", **request)
        return bytes(answer["Plaintext"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
