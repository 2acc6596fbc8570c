"""The newest key epoch is told without a key, for who lists slots."""

from holdfast.repository.keys.epochs import newest_begun
from holdfast.repository.upkeep.rotation import rotate
from tests.faults.immutable_site import Site


def test_it_is_the_last_that_was_begun():
    site = Site()
    repository = site.open().config.repository
    assert newest_begun(site.store, repository) == 1
    for kid in (2, 3):
        rotate(site.open(), site.secret)
        assert newest_begun(site.store, repository) == kid
