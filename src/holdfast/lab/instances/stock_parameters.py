"""Debian's public parameters in moto's Systems Manager: where the newest image of an architecture is named."""

from moto.core.utils import utcnow
from moto.ssm.models import Parameter, ParameterDict

from holdfast.lab.instances.stock_images import PARAMETER, latest


class LabParameters(ParameterDict):
    """The parameters of an account in a region; Debian's appear when somebody asks for them."""

    def _check_loading_status(self, key: str) -> None:
        super()._check_loading_status(key)
        image = latest(self.region_name, str(key or "").removeprefix(PARAMETER))
        if image is not None and not dict.__contains__(self, key):
            # moto marks what CloudFormation would call as abstract, and leaves it so.
            self[key] = [
                Parameter(  # type: ignore[abstract]
                    account_id=self.account_id,
                    name=key,
                    value=image.id,
                    parameter_type="String",
                    description=None,
                    allowed_pattern=None,
                    keyid=None,
                    last_modified_date=utcnow(),
                    version=1,
                    data_type="aws:ec2:image",
                )
            ]


def install_parameters() -> None:
    """Make moto keep parameters so."""
    from moto.ssm import models

    models.ParameterDict = LabParameters  # type: ignore[misc]
    models.ssm_backends.clear()
