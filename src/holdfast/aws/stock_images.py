"""What new instances of ours start from, workers and appliances alike: Debian 12 as Debian publishes it."""

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import NotFoundError

# Debian's own account (https://wiki.debian.org/Cloud/AmazonEC2Image).
DEBIAN_ACCOUNT = "136693071363"
# How EC2 calls the architecture, and how Debian does.
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}


def stock_image(ec2: PatientClient, architecture: str) -> str:
    """The id of the newest Debian 12. Raises NotFoundError where the region has none."""
    name = f"debian-12-{ARCHITECTURES[architecture]}-*"
    filters = [
        {"Name": "name", "Values": [name]},
        {"Name": "state", "Values": ["available"]},
        {"Name": "architecture", "Values": [architecture]},
    ]
    images = ec2.call("DescribeImages", f"images {name}", Owners=[DEBIAN_ACCOUNT], Filters=filters)["Images"]
    if not images:
        raise NotFoundError(
            f"no image {name} in {ec2.region}",
            why=f"account {DEBIAN_ACCOUNT}, which is Debian's, shows none there",
            cure="choose another region, or ask Debian's cloud team",
        )
    return str(max(images, key=lambda image: (str(image["CreationDate"]), str(image["ImageId"])))["ImageId"])
