"""Where a bucket's objects lie, and the client that speaks to it."""

from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError

from holdfast.repository.stores.s3.errors import translate_botocore_error
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession


def aim(place: S3Location, session: AwsSession) -> tuple[Any, str]:
    """The client and the URL under which the bucket's objects lie, as botocore's endpoint rules have it.

    Path style where asked, for every endpoint that is not AWS's (their names and certificates seldom cover bucket
    sub-domains), and for bucket names with dots, which AWS's wildcard certificate does not cover.
    """
    client = session.client("s3", endpoint=place.endpoint)
    path_style = place.path_style
    if path_style is None:
        path_style = not is_aws(client.meta.endpoint_url) or "." in place.bucket
    options = {
        "addressing_style": "path" if path_style else "virtual",
        "us_east_1_regional_endpoint": "regional",
    }
    client = session.client("s3", endpoint=place.endpoint, s3_options=options)
    session.credentials()
    try:
        url: str = client.generate_presigned_url("get_object", Params={"Bucket": place.bucket, "Key": "k"})
    except BotoCoreError as error:
        raise translate_botocore_error(error, "s3:GetObject", f"s3://{place.bucket}") from error
    return client, url.partition("?")[0].removesuffix("k")


def is_aws(endpoint: str) -> bool:
    """Whether that URL is one of AWS's own."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"))
