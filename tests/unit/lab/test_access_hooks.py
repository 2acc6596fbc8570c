"""Where enforcement, stacks and quotas reach into moto. A failing test names the hook and who uses it."""

import inspect

from moto.cloudformation import models as stacks
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend, Event, Stack
from moto.core.common_models import CloudFormationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.responses import BaseResponse
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AccessKey, AWSManagedPolicy, IAMBackend, InstanceProfile, Role, User
from moto.iam.responses import IamResponse
from moto.kms.models import Grant, Key
from moto.s3.models import FakeBucket, s3_backends
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.sqs.models import Queue
from moto.sts.models import AssumedRole, STSBackend

from holdfast.lab.access.gate import ACCOUNT_HEADER
from tests.unit.lab.test_moto_hooks import moved, parameters


def test_account_is_named_by_a_header():
    hook = moved("x-moto-account-id", "access/gate.py (ACCOUNT_HEADER)")
    source = inspect.getsource(BaseResponse.get_current_account)
    assert ACCOUNT_HEADER.removeprefix("HTTP_").replace("_", "-").lower() in source, hook


def test_iam_keeps_what_it_kept():
    hook = moved("IAMBackend", "access/identities.py and access/iam_hooks.py")
    backend = vars(IAMBackend("aws", "123456789012"))
    assert {"roles", "users", "groups", "instance_profiles", "managed_policies", "access_keys"} <= backend.keys(), hook
    # moto leaves what CloudFormation would call abstract.
    role = vars(Role("1", "aws", "AROA", "r", "{}", "/", None, "", [], None))  # type: ignore[abstract]
    wanted = {"id", "assume_role_policy_document", "policies", "managed_policies", "permissions_boundary_arn", "tags",
              "max_session_duration"}  # fmt: skip
    assert wanted <= role.keys(), hook
    assert {"policies", "managed_policies"} <= vars(User("1", "us-east-1", "u")).keys(), hook  # type: ignore[abstract]
    assert {"id", "roles"} <= vars(InstanceProfile("1", "us-east-1", "AIPA", "p", "/", [])).keys(), hook  # type: ignore[abstract]
    key = vars(AccessKey(None, "ASIA", "123456789012"))  # type: ignore[abstract]
    assert {"user_name", "secret_access_key", "status", "role_arn"} <= key.keys(), hook
    assert key["access_key_id"].startswith("ASIA"), hook
    for name, expected in {
        "delete_access_key_by_name": ["name"],
        "attach_role_policy": ["policy_arn", "role_name"],
        "attach_user_policy": ["policy_arn", "user_name"],
        "attach_group_policy": ["policy_arn", "group_name"],
        "get_policy": ["policy_arn"],
    }.items():
        assert parameters(getattr(IAMBackend, name)) == expected, hook
    assert parameters(AWSManagedPolicy.from_data) == ["name", "account_id", "region_name", "data"], hook
    assert '"AmazonS3ReadOnlyAccess"' in aws_managed_policies_data, hook


def test_sts_makes_sessions_as_it_did():
    hook = moved("STSBackend", "access/iam_hooks.py")
    expected = ["region_name", "role_session_name", "role_arn", "policy", "duration", "external_id"]
    assert parameters(STSBackend.assume_role) == expected, hook
    assert parameters(STSBackend.get_caller_identity) == ["access_key_id", "region"], hook
    source = inspect.getsource(AssumedRole.__init__)
    for name in ("session_token", "secret_access_key", "expiration", "session_name", "role_arn", "policy"):
        assert f"self.{name} = " in source, hook
    assert ":user/moto" in inspect.getsource(STSBackend.get_caller_identity), hook


def test_requests_are_parsed_by_moto():
    hook = moved("PROTOCOL_PARSERS", "access/calls.py")
    assert {"ec2", "query", "json", "rest-json"} <= PROTOCOL_PARSERS.keys(), hook
    assert callable(get_service_model), hook
    assert callable(get_service_router), hook


def test_actions_are_methods_of_the_response():
    hook = moved("IamResponse and ServiceQuotasResponse", "access/simulation.py and service_quotas.py")
    assert "method_names_from_class(self.__class__)" in inspect.getsource(BaseResponse.call_action), hook
    assert IamResponse().automated_parameter_parsing, hook
    assert callable(ServiceQuotasResponse.get_service_quota), hook
    assert parameters(ServiceQuotasBackend.get_service_quota) == ["service_code", "quota_code"], hook


def test_buckets_keys_and_queues_have_policies():
    hook = moved("policies of resources", "access/demands_s3.py, demands_kms.py and demands.py")
    assert parameters(FakeBucket.get_permission)[-2:] == ["action", "resource"], hook
    assert isinstance(s3_backends.bucket_accounts, dict), hook
    key = vars(Key(None, "", "", "", "123456789012", "us-east-1"))  # type: ignore[abstract]
    assert {"policy", "grants", "aliases", "arn", "account_id", "region", "key_spec", "key_usage"} <= key.keys(), hook
    grant = vars(Grant("k", "n", "g", [], {}, ""))
    assert {"grantee_principal", "operations", "constraints", "retiring_principal"} <= grant.keys(), hook
    assert isinstance(Queue.policy, property), hook


def test_stacks_are_made_from_a_name_of_the_module():
    hook = moved("moto.cloudformation.models.Stack", "stacks/lab_stack.py (install)")
    assert issubclass(stacks.Stack, Stack), hook
    assert "new_stack = Stack(" in inspect.getsource(CloudFormationBackend.create_stack), hook
    for name in ("create_resources", "update", "delete", "_add_stack_event", "parse_template"):
        assert callable(getattr(Stack, name)), hook
    assert "self._parsed_resources" in inspect.getsource(parsing.ResourceMap), hook
    assert parameters(Event.__init__)[:4] == ["stack_id", "stack_name", "logical_resource_id", "physical_resource_id"]


def test_types_of_resources_are_classes():
    hook = moved("CloudFormationModel", "stacks/resources.py and stacks/attached_policies.py")
    assert "CloudFormationModel.__subclasses__()" in inspect.getsource(parsing.get_model_list.__wrapped__), hook
    for kind in (FakeBucket, Role, InstanceProfile, Queue, Key):
        assert issubclass(kind, CloudFormationModel), hook
        assert inspect.ismethod(kind.create_from_cloudformation_json), hook
    assert parameters(Queue._set_attributes) == ["attributes", "now"], hook
