"""A repository that was set back since the appliance saw it: refused by name until a person accepts it."""

import pytest

from holdfast.domain.errors import RollbackError
from tests.contracts.vaults import NAME, RealVault, SimulatedVault


@pytest.fixture(params=["real", "simulated"])
def vault(request, tmp_path):
    made = RealVault(tmp_path / "vault") if request.param == "real" else SimulatedVault()
    yield made
    made.close()


def refused(vault):
    with pytest.raises(RollbackError), vault.repositories.open(NAME) as repository:
        repository.points("123456789012")


def test_it_is_refused_until_it_is_accepted(vault):
    first = vault.back_up(1)
    vault.set_back()
    refused(vault)
    refused(vault)  # a refusal is not forgotten by asking again
    vault.repositories.accept(NAME)
    assert vault.points() == [first]
    second = vault.back_up(2)
    assert vault.points() == [first, second]


def test_an_appliance_that_was_never_here_believes_the_server(vault):
    vault.back_up(1)
    seen = vault.examine("")
    assert vault.examine(seen) == seen
    vault.set_back()
    with pytest.raises(RollbackError):
        vault.examine(seen)
    vault.examine("")  # nobody remembers, nobody can tell
