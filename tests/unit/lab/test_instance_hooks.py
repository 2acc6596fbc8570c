"""Where instances reach into moto. When moto moves one of these, the test that fails names the hook and who uses it."""

import inspect

import pytest
from moto.core.responses import ActionResult
from moto.ec2 import urls
from moto.ec2.models import EC2Backend, elastic_network_interfaces, instances
from moto.ec2.models.amis import Ami
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, MetadataOptions, Reservation
from moto.ec2.responses import EC2Response
from moto.ec2.utils import filter_dict_attribute_mapping
from moto.ssm import models as ssm_models
from moto.sts.models import AssumedRole, STSBackend

from tests.unit.lab.test_moto_hooks import moved, parameters


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "run_instances": ["image_id", "count", "user_data", "security_group_names", "kwargs"],
        "terminate_instances": ["instance_ids"],
        "get_multi_instances_by_id": ["instance_ids", "filters"],
        "all_reservations": ["filters"],
        "attach_volume": ["volume_id", "instance_id", "device_path", "delete_on_termination"],
        "detach_volume": ["volume_id", "instance_id", "device_path"],
        "create_snapshots": ["instance_spec", "description", "tags"],
        "register_image": ["name", "description"],
        "create_image": ["instance_id", "name", "description", "tag_specifications"],
        "copy_image": ["source_image_id", "source_region", "name", "description"],
        "describe_snapshots": ["snapshot_ids", "filters"],
        "create_network_interface": [
            "subnet", "private_ip_address", "private_ip_addresses", "group_ids", "description", "tags",
            "delete_on_termination", "kwargs",
        ],
        "delete_network_interface": ["eni_id"],
        "detach_network_interface": ["attachment_id"],
        "assign_private_ip_addresses": ["eni_id", "private_ip_addresses", "secondary_ips_count"],
        "associate_iam_instance_profile": ["instance_id", "iam_instance_profile_name", "iam_instance_profile_arn"],
        "get_default_subnets": [],
    }.items(),
)  # fmt: skip
def test_methods_of_ec2_take_what_they_took(name, expected):
    assert parameters(getattr(EC2Backend, name)) == expected, moved(f"EC2Backend.{name}", "instances/*_operations.py")


def test_instances_and_interfaces_are_made_from_names_of_their_modules():
    words = inspect.getsource(instances.InstanceBackend.run_instances)
    assert "new_instance = Instance(" in words, moved("moto.ec2.models.instances.Instance", "instances/backend.py")
    assert 'if "block_device_mappings" not in kwargs' in words, moved("run_instances", "instances/backend.py")
    words = inspect.getsource(elastic_network_interfaces.NetworkInterfaceBackend.create_network_interface)
    assert "eni = NetworkInterface(" in words, moved(
        "elastic_network_interfaces.NetworkInterface", "instances/backend.py"
    )


def test_instance_is_what_it_was():
    hook = moved("Instance", "instances/lab_instance.py")
    wanted = ["nic_spec", "private_ip", "associate_public_ip", "security_groups", "ipv6_address_count"]
    assert parameters(Instance.prep_nics) == wanted, hook
    words = inspect.getsource(Instance)
    for name in ("self._state = InstanceState", "self.nics", "self._subnet_id", "self._placement.zone", "self._reason"):
        assert name in words, hook
    assert {"start", "stop", "terminate", "reboot", "attach_eni", "detach_eni"} <= set(dir(Instance)), hook
    assert parameters(MetadataOptions.__init__) == ["options"], hook
    assert vars(Reservation("r-1")).keys() >= {"id", "instances"}, hook


def test_image_has_the_attributes_that_the_lab_sets():
    words = inspect.getsource(Ami.__init__)
    for name in ("root_device_name", "launch_permissions", "creation_date", "architecture", "owner_alias", "boot_mode"):
        assert f"self.{name}" in words, moved(f"Ami.{name}", "instances/images.py")


def test_interface_and_attachments_are_what_they_were():
    hook = moved("NetworkInterface", "instances/interfaces.py")
    words = inspect.getsource(NetworkInterface)
    for name in ("self._group_set", "self.private_ip_addresses", "self.mac_address", "self.attachment_id"):
        assert name in words, hook
    hook = moved("VolumeAttachment", "ec2_volumes.py (LabAttachment)")
    assert parameters(VolumeAttachment.__init__) == ["volume", "instance", "device", "status"], hook
    assert {"volume_id", "status", "size", "attach_time", "delete_on_termination"} <= set(
        parameters(BlockDeviceType.__init__)
    ), moved("BlockDeviceType", "instances/attachment_operations.py")


def test_requests_reach_the_response_class_through_the_urls():
    assert "{0}/" in urls.url_paths, moved("moto.ec2.urls.url_paths", "instances/responses.py")
    for name in ("_get_param", "_parse_tag_specification", "error_on_dryrun", "_filters_from_querystring"):
        assert hasattr(EC2Response, name), moved(f"EC2Response.{name}", "instances/responses.py")


def test_results_of_actions_can_be_looked_into():
    hook = moved("ActionResult.result", "instances/responses.py (_as_they_are)")
    assert ActionResult({"StoppingInstances": []}).result == {"StoppingInstances": []}, hook


def test_filters_find_attributes_by_a_table():
    hook = moved("filter_dict_attribute_mapping", "instances/backend.py")
    assert filter_dict_attribute_mapping["instance-state-name"] == "state", hook


def test_instance_types_tell_processors_and_architectures():
    known = INSTANCE_TYPES["t3.small"]
    hook = moved("INSTANCE_TYPES", "instances/backend.py")
    assert known["VCpuInfo"]["DefaultVCpus"] == 2, hook
    assert "x86_64" in known["ProcessorInfo"]["SupportedArchitectures"], hook


def test_roles_are_assumed_as_they_were():
    hook = moved("STSBackend.assume_role", "instances/role_credentials.py")
    wanted = ["region_name", "role_session_name", "role_arn", "policy", "duration", "external_id"]
    assert parameters(STSBackend.assume_role) == wanted, hook
    words = inspect.getsource(AssumedRole)
    for name in ("access_key_id", "secret_access_key", "session_token", "expiration"):
        assert f"self.{name}" in words, hook


def test_parameters_appear_when_they_are_asked_for():
    hook = moved("ParameterDict._check_loading_status", "instances/stock_parameters.py")
    (base,) = [c for c in ssm_models.ParameterDict.__mro__ if c.__module__ == "moto.ssm.models"][-1:]
    assert parameters(vars(base)["_check_loading_status"]) == ["key"], hook
    assert "ParameterDict(" in inspect.getsource(ssm_models.SimpleSystemManagerBackend.__init__), hook
