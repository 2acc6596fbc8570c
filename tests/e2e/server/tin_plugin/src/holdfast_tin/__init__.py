"""A plug-in whose cloud is a folder: an appliance is a file in it. It knows the contract, and nothing else of ours."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import CONTRACT, Installation, InstalledThing, PluginFacts, ServiceSpec


class TinConnection:
    def __init__(self, place):
        self._place = place

    def send(self, method, path, document=None, query=None):
        return {"method": method, "path": path, "stored": self._place.exists()}

    def events(self, path):
        return iter(())

    def close(self):
        pass


class TinPlugin:
    facts = PluginFacts("tin", "1.2", CONTRACT, "a cloud in a folder", ("TinPolicy",))

    def install(self, context):
        place = Path(context.options["place"])
        place.mkdir()
        context.say(f"made {place}")
        return Installation((InstalledThing("tin", "folder", str(place)),), {"place": str(place)})

    def things(self, context):
        place = Path(context.settings["place"])
        return (InstalledThing("tin", "folder", str(place), healthy=place.is_dir()),)

    def uninstall(self, context):
        Path(context.settings["place"]).rmdir()

    def services(self, appliance):
        return (ServiceSpec("watch", ("-m", "holdfast_tin.watch")),)

    def deploy(self, order, context):
        now = datetime.now(UTC)
        place = self._place(order.name, context)
        context.ledger.intend(
            LedgerRow(
                f"{context.session_id}-file", "file", "", "here", context.session_id, order.name, 1, "deployment",
                context.session_id, "", now, None, None,
            )
        )  # fmt: skip
        place.write_text("an appliance")
        context.ledger.created(f"{context.session_id}-file", str(place), now)
        return Appliance(order.name, "tin", f"tin://{place}", ApplianceState.AVAILABLE, "none", instance_id=str(place))

    def connect(self, order, context):
        return Appliance(order.name, "tin", order.url, ApplianceState.AVAILABLE, "none")

    def accept_certificate(self, appliance, context):
        return replace(appliance, certificate=appliance.offered_certificate)

    def tell(self, appliance, context):
        """There is nothing to know."""

    def disconnect(self, appliance, context, *, delete):
        if delete:
            Path(appliance.instance_id).unlink()
            context.ledger.gone("file", appliance.instance_id, datetime.now(UTC))

    def clean(self, session_id, context):
        for row in context.ledger.open_rows(session_id=session_id):
            self._place(row.task_id, context).unlink(missing_ok=True)
            context.ledger.dropped(row.id, datetime.now(UTC))

    def connection(self, appliance, context):
        return TinConnection(self._place(appliance.name, context))

    @staticmethod
    def _place(name, context):
        return Path(context.settings["place"]) / name


PLUGIN = TinPlugin()
