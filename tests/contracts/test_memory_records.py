"""The records in memory keep the contract of the database's, so that what is simulated with them holds there, too."""

import pytest

from holdfast.testing.memory_records import memory_records
from tests.contracts import test_appliance_records, test_appliance_sessions

OF_DATABASES_ALONE = {"test_sixteen_threads_write_at_once_and_none_is_refused"}
globals().update(
    {
        name: value
        for contract in (test_appliance_records, test_appliance_sessions)
        for name, value in vars(contract).items()
        if name.startswith("test_") and name not in OF_DATABASES_ALONE
    }
)


@pytest.fixture
def records():
    return memory_records()
