"""Service Quotas: the limits that the lab keeps, told as AWS tells them. moto knows those of VPC only."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends
from moto.servicequotas.responses import ServiceQuotasResponse

VCPUS = "L-1216C47A"
# Code, name, value, adjustable: "Amazon EBS endpoints and quotas" in the AWS General Reference.
_EBS = (
    ("L-C125AE42", "GetSnapshotBlock requests per account", 1000, True),
    ("L-028ACFB9", "GetSnapshotBlock requests per snapshot", 1000, False),
    ("L-AFAE1BE8", "PutSnapshotBlock requests per account", 1000, True),
    ("L-1774F84A", "PutSnapshotBlock requests per snapshot", 1000, False),
    ("L-18E976AB", "ListSnapshotBlocks requests per account", 50, False),
    ("L-DB2FBAA1", "ListChangedBlocks requests per account", 50, False),
    ("L-AFEBDF7A", "StartSnapshot requests per account", 10, False),
    ("L-1D4D9345", "CompleteSnapshot requests per account", 10, False),
    ("L-94D7AB7D", "Pending snapshots per account", 100, False),
    ("L-309BACF6", "Snapshots per Region", 100_000, True),
)
_SERVICES = {"ebs": "Amazon Elastic Block Store (Amazon EBS)", "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)"}


class LabServiceQuotasBackend(ServiceQuotasBackend):
    """moto's Service Quotas in one account and region, with the quotas of EBS and EC2."""

    vcpus: ClassVar[int]

    def list_aws_default_service_quotas(self, service_code: str) -> list[dict[str, Any]]:
        """The quotas of a service."""
        entries: Iterable[tuple[str, str, int, bool]]
        if service_code == "ebs":
            entries = _EBS
        elif service_code == "ec2":
            name = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
            entries = ((VCPUS, name, self.vcpus, True),)
        else:
            return super().list_aws_default_service_quotas(service_code)
        return [self._quota(service_code, *entry) for entry in entries]

    def get_service_quota(self, service_code: str, quota_code: str) -> dict[str, Any]:
        """One quota; NoSuchResource where there is none."""
        for quota in self.list_aws_default_service_quotas(service_code):
            if quota["QuotaCode"] == quota_code:
                return quota
        raise NoSuchResource

    def _quota(self, service_code: str, code: str, name: str, value: int, adjustable: bool) -> dict[str, Any]:
        where = f"{self.partition}:servicequotas:{self.region_name}:{self.account_id}"
        return {
            "ServiceCode": service_code,
            "ServiceName": _SERVICES[service_code],
            "QuotaArn": f"arn:{where}:{service_code}/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(value),
            "Unit": "None",
            "Adjustable": adjustable,
            "GlobalQuota": False,
        }


LabServiceQuotasBackend.__module__ = "moto.servicequotas.models"


def install(vcpus: int) -> None:
    """From now on, moto tells these quotas, of `vcpus` for instances. To be called before they are first asked for."""
    LabServiceQuotasBackend.vcpus = vcpus
    servicequotas_backends.clear()
    servicequotas_backends.backend = LabServiceQuotasBackend

    def list_service_quotas(response: ServiceQuotasResponse) -> str:
        code = str(json.loads(response.body).get("ServiceCode"))
        return json.dumps({"Quotas": response.backend.list_aws_default_service_quotas(code)})

    def get_aws_default_service_quota(response: ServiceQuotasResponse) -> str:
        return response.get_service_quota()

    for action in (list_service_quotas, get_aws_default_service_quota):
        setattr(ServiceQuotasResponse, action.__name__, action)
