"""What requests to KMS demand: a key's own policy decides, and grants give what no policy does."""

from collections.abc import Iterator, Mapping
from typing import Any

from moto.kms.models import kms_backends

from holdfast.lab.access.calls import Call
from holdfast.lab.access.evaluator import Demand, Principal, ResourceRule
from holdfast.lab.access.policy import Policy, read

# moto puts the id of the key in front of what it encrypts.
_KEY_ID_BYTES = 36
_WITHOUT_KEY = ("CreateKey", "ListKeys", "ListAliases", "GenerateRandom", "DescribeCustomKeyStores")


def of_kms(call: Call, principal: Principal) -> Iterator[Demand]:
    """The demands of one request to KMS."""
    if call.operation in _WITHOUT_KEY:
        yield Demand(f"kms:{call.operation}", "*", {})
        return
    if call.operation == "ReEncrypt":
        yield from _on_key(call, principal, "ReEncryptFrom", "SourceKeyId", "SourceEncryptionContext")
        yield from _on_key(call, principal, "ReEncryptTo", "DestinationKeyId", "DestinationEncryptionContext")
        return
    if call.operation in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
        alias = f"arn:{call.partition}:kms:{call.region}:{call.account}:{call.parameters.get('AliasName', '')}"
        yield Demand(f"kms:{call.operation}", alias, {})
    field = "TargetKeyId" if call.operation in ("CreateAlias", "UpdateAlias") else "KeyId"
    if call.operation == "DeleteAlias":
        field = "AliasName"
    yield from _on_key(call, principal, call.operation, field, "EncryptionContext")


def key_of(call: Call, name: str) -> Any:
    """The key that another service means by its id, ARN or alias; None where there is none."""
    return _key(call, name, b"")


def demand_on(key: Any, action: str, principal: Principal, context: Mapping[str, tuple[str, ...]]) -> Demand:
    """What another service demands of KMS on behalf of its caller."""
    tags = kms_backends[key.account_id][key.region].list_resource_tags(key.id)["Tags"]
    known = {f"aws:resourcetag/{tag['TagKey'].lower()}": (tag["TagValue"],) for tag in tags}
    known["kms:calleraccount"] = (principal.account,)
    granted = any(_gives(grant, principal, action, {}) for grant in list(key.grants.values()))
    rule = ResourceRule(key.account_id, read(key.policy) or Policy(()), decides_alone=True)
    return Demand(f"kms:{action}", key.arn, known | dict(context), rule, granted)


def _on_key(call: Call, principal: Principal, action: str, field: str, context_field: str) -> Iterator[Demand]:
    asked = call.parameters
    name = str(asked.get(field, ""))
    key = _key(call, name, asked.get("CiphertextBlob", b""))
    encryption: Mapping[str, str] = asked.get(context_field) or {}
    context = _context(call, principal, name, encryption, key)
    if key is None:
        # Which key is meant nobody can say; that KMS does not know it is for KMS to answer.
        resource = name if name.startswith("arn:") else f"arn:{call.partition}:kms:{call.region}:{call.account}:key/*"
        yield Demand(f"kms:{action}", resource, context)
        return
    granted = any(_gives(grant, principal, action, encryption) for grant in list(key.grants.values()))
    if action == "RetireGrant":
        granted = granted or any(grant.retiring_principal in (principal.arn, principal.role_arn)
                                 for grant in key.grants.values() if grant.retiring_principal)  # fmt: skip
    rule = ResourceRule(key.account_id, read(key.policy) or Policy(()), decides_alone=True)
    yield Demand(f"kms:{action}", key.arn, context, rule, granted)


def _key(call: Call, name: str, blob: bytes) -> Any:
    """The key that is meant by id, ARN or alias, or that has encrypted; None where there is none."""
    if not name and blob:
        name = blob[:_KEY_ID_BYTES].decode("ascii", "replace")
    account, region = call.account, call.region
    if name.startswith("arn:") and name.count(":") >= 5:
        _, _, _, region, account, name = name.split(":", 5)
    name = name.removeprefix("key/")
    if account not in kms_backends and account != call.account:
        return None
    for owner in (account, *(() if blob == b"" else list(kms_backends))):
        backend = kms_backends[owner][region]
        if name.startswith("alias/"):
            found = next((key for key in list(backend.keys.values()) if name in key.aliases), None)
        else:
            found = backend.keys.get(name)
        if found is not None:
            return found
    return None


def _gives(grant: Any, principal: Principal, action: str, encryption: Mapping[str, str]) -> bool:
    if grant.grantee_principal not in (principal.arn, principal.role_arn) or action not in grant.operations:
        return False
    constraints = grant.constraints or {}
    equal, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if equal and dict(encryption) != dict(equal):
        return False
    return not subset or all(encryption.get(key) == value for key, value in subset.items())


def _context(
    call: Call, principal: Principal, name: str, encryption: Mapping[str, str], key: Any
) -> dict[str, tuple[str, ...]]:
    asked = call.parameters
    context: dict[str, tuple[str, ...]] = {"kms:calleraccount": (principal.account,)}
    context |= {f"kms:encryptioncontext:{one.lower()}": (value,) for one, value in encryption.items()}
    if encryption:
        context["kms:encryptioncontextkeys"] = tuple(encryption)
    if "alias/" in name:
        context["kms:requestalias"] = (name[name.index("alias/") :],)
    if key is not None:
        context["kms:keyspec"] = (key.key_spec,)
        context["kms:keyusage"] = (key.key_usage,)
        if key.aliases:
            context["kms:resourcealiases"] = tuple(key.aliases)
        tags = kms_backends[key.account_id][key.region].list_resource_tags(key.id)["Tags"]
        context |= {f"aws:resourcetag/{tag['TagKey'].lower()}": (tag["TagValue"],) for tag in tags}
    if call.operation == "CreateGrant":
        context["kms:grantoperations"] = tuple(asked.get("Operations", ()))
        context["kms:granteeprincipal"] = (asked.get("GranteePrincipal", ""),)
        context["kms:grantisforawsresource"] = ("false",)
        if asked.get("Constraints"):
            context["kms:grantconstrainttype"] = tuple(asked["Constraints"])
        if asked.get("RetiringPrincipal"):
            context["kms:retiringprincipal"] = (asked["RetiringPrincipal"],)
    return context
