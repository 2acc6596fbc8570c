"""Either samples or the campaign: what is not meant is not collected, so that nothing is skipped."""

import os

SAMPLE, SERVER, EVERYTHING = "test_a_sample", "test_the_server", "test_every_step"


def _unwanted() -> tuple[str, ...]:
    if os.environ.get("CAMPAIGN"):
        return (SAMPLE, SERVER)
    # The server's sample is a minute of deployments.
    return (EVERYTHING,) if os.environ.get("PRODUCT") == "whole" else (EVERYTHING, SERVER)


def pytest_collection_modifyitems(items):
    unwanted, here = _unwanted(), os.path.dirname(__file__)
    items[:] = [one for one in items if not (one.path.is_relative_to(here) and one.name.startswith(unwanted))]
