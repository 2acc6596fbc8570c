"""Where the lab reaches into moto. When moto moves one of these, the test that fails names the hook and who uses it."""

import inspect
import os

import flask
import pytest
from moto import settings
from moto.core.base_backend import AccountSpecificBackend, BackendDict
from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot, Volume
from moto.iam.models import get_account_id_from
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, s3_backends
from werkzeug.serving import DechunkedInput, WSGIRequestHandler

from holdfast.lab.ec2_volumes import LabEC2Backend


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def moved(hook: str, used_in: str) -> str:
    return f"moto moved the hook {hook}, which src/holdfast/lab/{used_in} uses"


def test_backend_class_of_ec2_can_be_replaced_before_first_use():
    hook = moved("ec2_backends.backend", "ec2_volumes.py (install)")
    assert isinstance(ec2_backends, BackendDict), hook
    assert issubclass(ec2_backends.backend, EC2Backend), hook

    class Replacement(EC2Backend):
        pass

    Replacement.__module__ = "moto.ec2.models"
    backends = BackendDict(EC2Backend, "ec2")
    backends.backend = Replacement
    assert isinstance(backends["123456789012"], AccountSpecificBackend), hook
    assert backends["123456789012"].backend is Replacement, hook


def test_urls_of_a_backend_are_found_by_the_module_of_its_class():
    hook = moved("BaseBackend._url_module", "ec2_volumes.py (LabEC2Backend.__module__)")
    assert LabEC2Backend.__module__ == "moto.ec2.models", hook
    module = EC2Backend._url_module.fget(LabEC2Backend.__new__(LabEC2Backend))  # type: ignore[attr-defined]
    assert module.__name__ == "moto.ec2.urls", hook


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "create_volume": [
            "size", "zone_name", "snapshot_id", "encrypted", "kms_key_id", "volume_type", "iops", "throughput",
            "multi_attach_enabled",
        ],
        "modify_volume": [
            "volume_id", "target_size", "target_volume_type", "target_iops", "target_throughput",
            "target_multi_attach_enabled",
        ],
        "delete_volume": ["volume_id"],
        "create_snapshot": ["volume_id", "description", "owner_id", "from_ami"],
        "copy_snapshot": ["source_snapshot_id", "source_region", "description", "kms_key_id"],
        "_create_default_encryption_key": [],
        "delete_snapshot": ["snapshot_id"],
        "get_snapshot": ["snapshot_id"],
        "get_volume": ["volume_id"],
        "get_zone_by_name": ["name"],
        "modify_snapshot_tier": ["snapshot_id", "storage_tier"],
        "restore_snapshot_tier": ["snapshot_id", "temporary_restore_days", "permanent_restore"],
        "add_create_volume_permission": ["snapshot_id", "user_ids", "groups"],
        "remove_create_volume_permission": ["snapshot_id", "user_ids", "groups"],
        "create_tags": ["resource_ids", "tags"],
        "delete_tags": ["resource_ids", "tags"],
        "delete_tag_keys": ["resource_ids", "tag_keys"],
    }.items(),
)  # fmt: skip
def test_methods_of_ec2_take_what_they_took(name, expected):
    hook = moved(f"EC2Backend.{name}", "ec2_volumes.py")
    assert parameters(getattr(EC2Backend, name)) == expected, hook


def test_volumes_and_snapshots_are_made_as_they_were():
    hook = moved("Volume and Snapshot", "ec2_volumes.py (LabVolume, LabSnapshot)")
    assert parameters(Volume.__init__) == [
        "ec2_backend", "volume_id", "size", "zone", "snapshot_id", "encrypted", "kms_key_id", "volume_type", "iops",
        "throughput", "multi_attach_enabled",
    ], hook  # fmt: skip
    assert parameters(Snapshot.__init__) == [
        "ec2_backend", "snapshot_id", "volume", "description", "encrypted", "kms_key_id", "owner_id", "from_ami",
    ], hook  # fmt: skip
    assert isinstance(Volume.status, property), hook
    assert isinstance(Snapshot.progress, property), hook
    made = Snapshot(LabEC2Backend.__new__(LabEC2Backend), "snap-1", None, "", owner_id="1")
    assert (made.status, made.storage_tier, made.create_volume_permission_userids) == ("completed", "standard", set())


def test_backend_keeps_volumes_snapshots_and_tags_by_id():
    names = inspect.getsource(EC2Backend.create_snapshot) + inspect.getsource(EC2Backend.create_tags)
    for words in ("self.snapshots[snapshot_id] = snapshot", "self.tags[resource_id][tag] = tags[tag]"):
        assert words in names, moved(words, "ec2_volumes.py")


def test_errors_have_a_code_and_a_message():
    hook = moved("ServiceException", "ec2_volumes.py and moto_application.py")
    error = EC2ClientError("IncorrectState", "why")
    assert isinstance(error, ServiceException), hook
    assert (error.code, error.message) == ("IncorrectState", "why"), hook


def test_dispatcher_finds_services_by_host():
    hook = moved("DomainDispatcherApplication", "moto_application.py")
    dispatcher = DomainDispatcherApplication(create_backend_app)
    assert dispatcher.get_backend_for_host("ec2.us-east-1.amazonaws.com") == "ec2", hook
    assert any(backend == "s3" for backend, _ in dispatcher.backend_url_patterns), hook
    assert parameters(dispatcher.get_application) == ["environ"], hook


def test_service_is_a_flask_application_whose_errors_can_be_handled():
    hook = moved("create_backend_app", "moto_application.py")
    assert isinstance(create_backend_app("sts"), flask.Flask), hook


def test_request_handler_is_werkzeugs():
    hook = moved("MotoRequestHandler", "http_front.py")
    assert issubclass(MotoRequestHandler, WSGIRequestHandler), hook
    assert parameters(MotoRequestHandler.make_environ) == [], hook
    assert parameters(WSGIRequestHandler.run_wsgi) == [], hook
    assert parameters(WSGIRequestHandler.connection_dropped) == ["error", "environ"], hook
    assert inspect.isclass(DechunkedInput), hook


def test_settings_are_read_from_the_environment(monkeypatch):
    monkeypatch.setitem(os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    monkeypatch.setitem(os.environ, "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", "65536")
    assert settings.ec2_load_default_amis() is False, moved("MOTO_EC2_LOAD_DEFAULT_AMIS", "moto_settings.py")
    assert settings.get_s3_default_key_buffer_size() == 65_536, moved(
        "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", "moto_settings.py"
    )


def test_buckets_and_keys_are_made_as_they_were():
    hook = moved("FakeBucket and FakeKey", "s3_state.py")
    assert parameters(FakeBucket.__init__)[:3] == ["name", "account_id", "region_name"], hook
    wanted = {
        "name", "value", "account_id", "region_name", "storage", "etag", "is_versioned", "version_id", "bucket_name",
        "encryption", "kms_key_id", "bucket_key_enabled", "lock_mode", "lock_legal_status", "lock_until",
        "checksum_value", "checksum_type", "checksum_parts",
    }  # fmt: skip
    assert wanted <= set(parameters(FakeKey.__init__)), hook
    key = FakeKey("k", b"content", "123456789012", "aws")
    key._value_buffer.seek(0)
    assert key._value_buffer.read() == b"content", hook
    assert {"lock", "contentsize", "_is_versioned", "checksum_algorithm", "last_modified"} <= vars(key).keys(), hook
    assert parameters(FakeDeleteMarker.__init__) == ["key"], hook
    bucket = vars(FakeBucket("lab-hooks", "123456789012", "us-east-1"))  # type: ignore[abstract]
    wanted = {"keys", "policy", "creation_date", "versioning_status", "object_lock_enabled", "default_lock_mode"}
    assert wanted <= bucket.keys(), hook
    assert s3_backends.bucket_accounts.pop("lab-hooks") == ("aws", "123456789012"), hook
    store = bucket["keys"]
    store.setlist("k", [key])
    assert store.getlist("k", []) == [key], hook


def test_moto_remembers_what_it_made_by_appending_to_a_list_of_the_class(monkeypatch):
    hook = moved("BaseModel.instances_tracked", "composition.py")
    seen: list[FakeKey] = []
    monkeypatch.setattr(FakeKey, "instances_tracked", seen)
    made = FakeKey("k", b"", "123456789012", "aws")
    assert seen == [made], hook


def test_access_keys_belong_to_accounts():
    assert get_account_id_from("testing") == "123456789012", moved("get_account_id_from", "server.py")
