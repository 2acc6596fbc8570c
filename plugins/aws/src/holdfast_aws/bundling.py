"""Making the bundles that appliances and workers boot from: how far it is, and that it may be cancelled."""

from holdfast.aws.bundle.building import Bundle
from holdfast.aws.bundle.contents import Kind
from holdfast.domain.errors import CancelledError, UsageError
from holdfast.plugin_api import PluginContext
from holdfast_aws.cloud import Cloud

# Debian 12's, on which appliances and workers run.
INSTANCE_PYTHON = "cp311"
TELL_SECONDS = 5.0


def made_bundle(kind: Kind, cloud: Cloud, context: PluginContext) -> Bundle:
    """The bundle of that kind, of what is installed here. Raises UsageError where it could not run on an instance."""
    monotonic = cloud.waiting.monotonic
    began_seconds = told_seconds = monotonic()

    def told(done_bytes: int, total_bytes: int) -> None:
        nonlocal told_seconds
        now_seconds = monotonic()
        if now_seconds - told_seconds < TELL_SECONDS:
            return
        told_seconds = now_seconds
        if context.cancelled():
            raise CancelledError("the installation was cancelled", why="somebody asked for it", cure="run it again")
        percent = 100 * done_bytes // max(total_bytes, 1)
        context.say(f"making the {kind}'s bundle: {done_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB ({percent} %)")

    context.say(f"making the {kind}'s bundle of what is installed here")
    bundle = cloud.build(kind, context.folder, told)
    if bundle.python != INSTANCE_PYTHON:
        raise UsageError(
            "no bundle can be made that runs on Debian 12",
            why=f"it has Python {INSTANCE_PYTHON}, and this server runs on {bundle.python}",
            cure="run the server with Python 3.11",
        )
    context.say(f"the {kind}'s bundle is made: {bundle.size_bytes / 1e6:.0f} MB in {monotonic() - began_seconds:.0f} s")
    return bundle
