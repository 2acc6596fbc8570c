"""The key service behind key slots of kind `kms`, loaded when one is really used: most repositories have none."""

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.aws.kms import KmsKeyWrapper


class LazyKeyService:
    """Implements KeyWrapper by AWS KMS, in the region and with the credentials of the environment."""

    def wrap(self, key_id: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """kms:Encrypt under that key."""
        with closing(_service()) as service:
            return service.wrap(key_id, plaintext, context)

    def unwrap(self, blob: bytes, context: Mapping[str, str], key_id: str | None = None) -> bytes:
        """kms:Decrypt; the key is named in the ciphertext, and must be that one where one is named here."""
        with closing(_service()) as service:
            return service.unwrap(blob, context, key_id)


def _service() -> "KmsKeyWrapper":
    from holdfast.aws.kms import KmsKeyWrapper

    return KmsKeyWrapper()
