"""What moto reads from the environment of its process; set before anything of moto is used."""

import os
import tempfile
from pathlib import Path

S3_SPOOL_BYTES = 64 * 1024


def set_moto_settings(folder: Path) -> None:
    """Settings of a lab whose files are in `folder`."""
    # 1,300 snapshots of other people would come with the default images.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    # An object of S3 that is larger than this is kept in a temporary file, not in memory.
    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(S3_SPOOL_BYTES)
    # moto asks botocore for the names of regions; a person's profile has no say in that.
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    spool = folder / "s3-spool"
    spool.mkdir(exist_ok=True)
    tempfile.tempdir = str(spool)
