"""What a request demands: the tables of the services that have one, `service:Operation` on all for the others."""

from collections.abc import Callable, Iterator

from moto.sqs.models import sqs_backends

from holdfast.lab.access.calls import Call
from holdfast.lab.access.demands_ebs import of_ebs, of_encrypted_snapshots
from holdfast.lab.access.demands_ec2 import of_ec2
from holdfast.lab.access.demands_iam import of_iam, of_sts
from holdfast.lab.access.demands_kms import of_kms
from holdfast.lab.access.demands_s3 import of_encrypted_objects, of_s3
from holdfast.lab.access.evaluator import Demand, Principal, ResourceRule
from holdfast.lab.access.identities import Identities
from holdfast.lab.access.policy import read
from holdfast.lab.request_scope import S3_CONTROL

# Who takes the role of a job.
BATCH_OPERATIONS = "batchoperations.s3.amazonaws.com"
# Services whose actions have another prefix than the name that requests are signed for.
_PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "tagging": "tag"}
_SQS_ACTIONS = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}


def demands_of(call: Call, principal: Principal, identities: Identities) -> list[Demand]:
    """Everything that the request needs; nothing where nothing is needed."""
    if call.service == "kms":
        return list(of_kms(call, principal))
    if call.service == "ebs":
        return [*of_ebs(call), *of_encrypted_snapshots(call, principal)]
    if call.service == "s3":
        return [*of_s3(call, identities), *of_encrypted_objects(call, principal)]
    table = _TABLES.get(call.service, _of_others)
    return list(table(call, identities))


def _of_others(call: Call, identities: Identities) -> Iterator[Demand]:
    yield Demand(f"{_PREFIXES.get(call.service, call.service)}:{call.operation}", "*", {})


def _of_sqs(call: Call, identities: Identities) -> Iterator[Demand]:
    asked = call.parameters
    action = f"sqs:{_SQS_ACTIONS.get(call.operation, call.operation)}"
    if call.operation == "ListQueues":
        yield Demand(action, f"arn:{call.partition}:sqs:{call.region}:{call.account}:*", {})
        return
    account, name = call.account, asked.get("QueueName", "")
    if call.operation == "GetQueueUrl":
        account = asked.get("QueueOwnerAWSAccountId", account)
    if url := asked.get("QueueUrl"):
        account, name = str(url).rstrip("/").split("/")[-2:] if str(url).count("/") else (account, url)
    queue = sqs_backends[account][call.region].queues.get(name) if account.isdecimal() else None
    tags = asked.get("tags") or asked.get("Tags") or {}
    context: dict[str, tuple[str, ...]] = {}
    if tags:
        context = {f"aws:requesttag/{key.lower()}": (str(value),) for key, value in tags.items()}
        context["aws:tagkeys"] = tuple(tags)
    if queue is not None:
        context |= {f"aws:resourcetag/{key.lower()}": (value,) for key, value in (queue.tags or {}).items()}
    rule = ResourceRule(account, read(queue.policy) if queue is not None else None)
    resource = f"arn:{call.partition}:sqs:{call.region}:{account}:{name}"
    yield Demand(action, resource, context, rule)
    if call.operation == "CreateQueue" and tags:
        yield Demand("sqs:TagQueue", resource, context, rule)


def _of_s3_control(call: Call, identities: Identities) -> Iterator[Demand]:
    """Service Authorization Reference of Amazon S3: jobs of S3 Batch Operations."""
    if call.operation != "CreateJob":
        job = call.path.rpartition("/")[2]
        yield Demand(f"s3:{call.operation}", f"arn:{call.partition}:s3:{call.region}:{call.account}:job/{job}", {})
        return
    asked = call.parameters
    context = {
        "s3:requestjoboperation": tuple(asked.get("Operation", ())),
        "s3:requestjobpriority": (str(asked.get("Priority", "")),),
    }
    yield Demand("s3:CreateJob", "*", context)
    yield Demand("iam:PassRole", asked["RoleArn"], {"iam:passedtoservice": (BATCH_OPERATIONS,)})


def _of_cloudformation(call: Call, identities: Identities) -> Iterator[Demand]:
    asked = call.parameters
    name = asked.get("StackName", "")
    if not name:
        resource = "*" if call.operation != "DescribeStacks" else _stack_arn(call, "*")
    else:
        resource = name if name.startswith("arn:") else _stack_arn(call, f"{name}/*")
    context: dict[str, tuple[str, ...]] = {}
    tags = {tag["Key"]: tag.get("Value", "") for tag in asked.get("Tags", ())}
    if tags:
        context = {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()}
        context["aws:tagkeys"] = tuple(tags)
    for key, parameter in (("cloudformation:rolearn", "RoleARN"), ("cloudformation:templateurl", "TemplateURL")):
        if parameter in asked:
            context[key] = (asked[parameter],)
    yield Demand(f"cloudformation:{call.operation}", resource, context)
    if "RoleARN" in asked:
        yield Demand("iam:PassRole", asked["RoleARN"], {"iam:passedtoservice": ("cloudformation.amazonaws.com",)})


def _stack_arn(call: Call, name: str) -> str:
    return f"arn:{call.partition}:cloudformation:{call.region}:{call.account}:stack/{name}"


def _of_ssm(call: Call, identities: Identities) -> Iterator[Demand]:
    asked, action = call.parameters, f"ssm:{call.operation}"
    names = [asked[key] for key in ("Name", "Path") if key in asked and "Parameter" in call.operation]
    names += asked.get("Names", []) if "Parameter" in call.operation else []
    if not names:
        yield Demand(action, "*", {})
    for name in names:
        # Parameters that AWS publishes belong to no account.
        account = "" if name.startswith("/aws/") else call.account
        path = name if name.startswith("/") else f"/{name}"
        yield Demand(action, f"arn:{call.partition}:ssm:{call.region}:{account}:parameter{path}", {})


_TABLES: dict[str, Callable[[Call, Identities], Iterator[Demand]]] = {
    "ec2": of_ec2,
    "iam": of_iam,
    "sts": of_sts,
    "sqs": _of_sqs,
    S3_CONTROL: _of_s3_control,
    "cloudformation": _of_cloudformation,
    "ssm": _of_ssm,
}
