"""Either samples or the campaign: what is not meant is not collected, so that nothing is skipped."""

import os

SAMPLE, EVERYTHING = "test_a_sample", "test_every_step"


def pytest_collection_modifyitems(items):
    unwanted = SAMPLE if os.environ.get("CAMPAIGN") else EVERYTHING
    here = os.path.dirname(__file__)
    items[:] = [one for one in items if not (one.path.is_relative_to(here) and one.name.startswith(unwanted))]
