"""The stack of a server and the bundles in it: installed, looked at, taken away."""

from collections.abc import Mapping

from holdfast.aws.deployment.bundle_store import BundleStore
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.policies import rights_of, stack_plan
from holdfast.aws.deployment.stack import Stack
from holdfast.aws.deployment.stack_template import StackPlan, template_text
from holdfast.domain.errors import ConflictError, HoldfastError, UnavailableError
from holdfast.domain.ownership import SERVER
from holdfast.plugin_api import Installation, InstalledThing, PluginContext
from holdfast_aws.bundling import made_bundle
from holdfast_aws.cloud import Cloud
from holdfast_aws.settings import OPTIONS, RIGHTS, Settings, checked_options

STACK = "stack"
_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


def install(cloud: Cloud, context: PluginContext) -> Installation:
    """Stack and bundles; what stands already is brought up to date. A first installation that fails leaves nothing."""
    options = _options(cloud, context)
    region = options["region"]
    plan = stack_plan(context.identity.server_id, rights_of(options), region)
    account_id = _account(cloud, context, region)
    stack = Stack(cloud.client("cloudformation", region), plan.stack_name, cloud.waiting)
    ledger = _ledger(cloud, context, region)
    # What AWS refuses is known before the bundles, which take their time, are made.
    new = not stack.stands()
    appliance, worker = made_bundle("appliance", cloud, context), made_bundle("worker", cloud, context)
    try:
        outputs = _ensure(stack, plan, ledger, context, new=new)
        store = BundleStore(cloud.client("s3", region), outputs["BundleBucket"])
        for bundle in (appliance, worker):
            store.put(bundle, context.say)
    except HoldfastError:
        if new:
            _remove(cloud, context, stack, region)
            _forget(context, plan.stack_name, cloud)
        raise
    settings = Settings(
        region=region,
        account_id=account_id,
        stack=plan.stack_name,
        bundle_bucket=outputs["BundleBucket"],
        kms_key_arn=outputs["KeyArn"],
        event_queue_url=outputs["EventQueueUrl"],
        worker_boundary_arn=outputs["WorkerBoundaryArn"],
        appliance_profile=outputs["ApplianceProfile"],
        architecture=appliance.architecture,
        appliance_bundle=appliance.key,
        appliance_sha256=appliance.sha256,
        worker_bundle=worker.key,
        worker_sha256=worker.sha256,
        retrieval_role_arn=outputs.get("RetrievalRoleArn", ""),
        **{name.replace("-", "_"): options[name] for name in ("reach-at", *RIGHTS)},
    )
    return Installation(_things(settings, outputs, "CREATE_COMPLETE"), settings.kept())


def things(cloud: Cloud, context: PluginContext) -> tuple[InstalledThing, ...]:
    """What is there now."""
    settings = Settings.of(context.settings)
    stack = Stack(cloud.client("cloudformation", settings.region), settings.stack, cloud.waiting)
    status = stack.status()
    outputs = stack.outputs() if status in _GOOD else {}
    return _things(settings, outputs, status or "gone")


def uninstall(cloud: Cloud, context: PluginContext) -> None:
    """Bundles, certificates, stack. What is gone already is no error."""
    settings = Settings.of(context.settings)
    stack = Stack(cloud.client("cloudformation", settings.region), settings.stack, cloud.waiting)
    _remove(cloud, context, stack, settings.region)
    _forget(context, settings.stack, cloud)


def clean(cloud: Cloud, context: PluginContext, regions: Mapping[str, str]) -> None:
    """Stacks (name -> region) of an installation that was cut short."""
    for name, region in regions.items():
        _remove(cloud, context, Stack(cloud.client("cloudformation", region), name, cloud.waiting), region)
        _forget(context, name, cloud)


def _account(cloud: Cloud, context: PluginContext, region: str) -> str:
    """The account that the server works in: the first question, which a wrong region or wrong credentials answer."""
    context.say(f"asking AWS in {region} whose the server's credentials are")
    try:
        identity = cloud.client("sts", region).call("GetCallerIdentity", "the server's AWS credentials")
    except UnavailableError as error:
        raise UnavailableError(
            f"AWS does not answer in region {region}",
            why=error.why,
            cure="check the region's name and the way to AWS from this machine; nothing was made",
        ) from error
    context.say(f"working in account {identity['Account']}, region {region}, as {identity['Arn']}")
    return str(identity["Account"])


def _ensure(
    stack: Stack, plan: StackPlan, ledger: DeploymentLedger, context: PluginContext, *, new: bool
) -> dict[str, str]:
    def ensured() -> dict[str, str]:
        return stack.ensure(template_text(plan), {SERVER: plan.server_id}, context.say, context.cancelled)

    if not new:
        return ensured()
    outputs: dict[str, str] = {}

    def make(token: str) -> str:
        outputs.update(ensured())
        return plan.stack_name

    ledger.create(STACK, plan.stack_name, make)
    return outputs


def _remove(cloud: Cloud, context: PluginContext, stack: Stack, region: str) -> None:
    """The bucket's contents first: CloudFormation removes no bucket that holds something."""
    if stack.status() is None:
        return
    bucket = stack.resource("BundleBucket")
    if bucket:
        BundleStore(cloud.client("s3", region), bucket).empty(context.say)
    stack.delete(context.say)
    context.say("the stack is removed; its key is deleted by AWS after a waiting time, and no backup depends on it")


def _forget(context: PluginContext, name: str, cloud: Cloud) -> None:
    """The stack is gone: close each row that it has, of whatever session, also where CloudFormation refused to make it.
    A row that stays open is a stack that the server's next start removes, whoever has made it meanwhile.
    """
    for row in context.ledger.open_rows():
        if (row.kind, row.task_id) == (STACK, name):
            context.ledger.dropped(row.id, cloud.now())


def _options(cloud: Cloud, context: PluginContext) -> dict[str, str]:
    """Every option: as it is given now, else as it was at the last installation."""
    given = checked_options(context.options)
    before = Settings.of(context.settings) if context.settings else None
    options = {name: before.option(name) if before is not None else "" for name in OPTIONS} | dict(given)
    options["region"] = options["region"] or cloud.client("sts", None).region
    if before is not None and options["region"] != before.region:
        raise ConflictError(
            f"the AWS plug-in is installed in region {before.region}",
            why=f"one server has one stack, and {options['region']} is another region",
            cure="remove the plug-in first (holdfast plugin remove aws), or keep the region",
        )
    return options


def _ledger(cloud: Cloud, context: PluginContext, region: str) -> DeploymentLedger:
    return DeploymentLedger(context.ledger, context.identity.server_id, context.session_id, region, cloud.now)


def _things(settings: Settings, outputs: Mapping[str, str], status: str) -> tuple[InstalledThing, ...]:
    good = status in _GOOD
    of_stack = {
        "bucket": settings.bundle_bucket,
        "KMS key": settings.kms_key_arn,
        "queue": settings.event_queue_url,
        "role": outputs.get("ApplianceRoleArn", settings.appliance_profile),
        "permissions boundary": settings.worker_boundary_arn,
    }
    if settings.retrieval_role_arn:
        of_stack["role of retrievals"] = settings.retrieval_role_arn
    bundles = {"appliance's bundle": settings.appliance_bundle, "worker's bundle": settings.worker_bundle}
    place = f"account {settings.account_id}, {settings.region}"
    return (
        InstalledThing("aws", "stack", settings.stack, f"{place}: {status}", good),
        *(InstalledThing("aws", kind, name, "", good) for kind, name in of_stack.items()),
        *(InstalledThing("aws", kind, name, f"s3://{settings.bundle_bucket}", good) for kind, name in bundles.items()),
    )
