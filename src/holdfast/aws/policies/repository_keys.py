"""What S3 asks for where a bucket of repositories is encrypted by default under a KMS key of the customer's."""

from holdfast.aws.policies.grants import Grant


def repository_key_grants(key_arns: tuple[str, ...]) -> list[Grant]:
    """For whoever reads and writes there ("Using server-side encryption with AWS KMS keys" in the S3 user guide). What
    S3 encrypts under keys of its own, or of AWS, needs none.
    """
    if not key_arns:
        return []
    regions = sorted({arn.split(":")[3] for arn in key_arns})
    return [
        Grant(
            "RepositoryKeys",
            "S3 seals and opens objects as whoever writes and reads them; through S3 alone",
            ("kms:Decrypt", "kms:GenerateDataKey"),
            key_arns,
            {"StringEquals": {"kms:ViaService": tuple(f"s3.{region}.amazonaws.com" for region in regions)}},
        )
    ]
