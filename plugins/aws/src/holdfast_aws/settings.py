"""What an installation leaves with the server, no secret among it, and the options that a person may give."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields

from holdfast.aws.deployment.policies import rights_of
from holdfast.domain.errors import PluginMissingError, UsageError
from holdfast.protocol.appliance_answers import AwsSettings

# What appliances may do beside the rest: a person names it, or they may not.
RIGHTS = ("instance-roles", "local-workers", "repositories", "repository-keys", "roles", "volume-keys")
OPTIONS = ("reach-at", "region", *RIGHTS)


@dataclass(frozen=True, slots=True)
class Settings:
    """The stack's outputs, and which bundles are in its bucket. `reach_at` is a host under which every appliance is
    reached in place of its own address, or empty; the fields after it are the options of `RIGHTS`, as the person wrote
    them, and the role of retrievals, which stacks of earlier versions have not.
    """

    region: str
    account_id: str
    stack: str
    bundle_bucket: str
    kms_key_arn: str
    event_queue_url: str
    worker_boundary_arn: str
    appliance_profile: str
    architecture: str
    appliance_bundle: str
    appliance_sha256: str
    worker_bundle: str
    worker_sha256: str
    reach_at: str = ""
    repositories: str = ""
    roles: str = ""
    instance_roles: str = ""
    volume_keys: str = ""
    local_workers: str = ""
    repository_keys: str = ""
    retrieval_role_arn: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, str]) -> "Settings":
        """From what the server kept. Raises PluginMissingError where nothing, or less than is needed, was installed."""
        names = {field.name for field in fields(cls)}
        if not {field.name for field in fields(cls) if field.default is MISSING} <= set(kept):
            raise PluginMissingError(
                "the AWS plug-in is not installed for this server",
                why="its stack is not known here, or was made by an earlier version",
                cure="run `holdfast plugin install aws`",
            )
        return cls(**{name: value for name, value in kept.items() if name in names})

    def option(self, name: str) -> str:
        """What a person gave for an option of `OPTIONS`; empty for none."""
        return str(getattr(self, name.replace("-", "_")))

    def kept(self) -> dict[str, str]:
        """As the server keeps it."""
        return {name: str(value) for name, value in asdict(self).items()}

    def for_appliance(self) -> AwsSettings:
        """What an appliance needs to know of the stack, to make workers."""
        return AwsSettings(
            stack=self.stack,
            region=self.region,
            account_id=self.account_id,
            bundle_bucket=self.bundle_bucket,
            bundles={self.architecture: {"key": self.worker_bundle, "sha256": self.worker_sha256}},
            kms_key_arn=self.kms_key_arn,
            event_queue_url=self.event_queue_url,
            worker_boundary_arn=self.worker_boundary_arn,
            repository_key_arns=rights_of({"repository-keys": self.repository_keys}).repository_keys,
            retrieval_role_arn=self.retrieval_role_arn or None,
        )


def checked_options(options: Mapping[str, str]) -> Mapping[str, str]:
    """The options, all of which are known. Raises UsageError."""
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise UsageError(
            f"the AWS plug-in has no option {', '.join(unknown)}",
            why="these are known: " + ", ".join(OPTIONS),
            cure="see docs/plugins.md",
        )
    return options
