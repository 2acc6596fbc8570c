"""The appliance as its server sees it: every use case, each documented where it is done."""

from holdfast.appliance.offices.collection_office import CollectionOffice
from holdfast.appliance.offices.farewell import Farewell
from holdfast.appliance.offices.infrastructure import Infrastructure
from holdfast.appliance.offices.ownership import Ownership
from holdfast.appliance.offices.policy_office import PolicyOffice
from holdfast.appliance.offices.repository_rescan import RepositoryRescan
from holdfast.appliance.offices.results import Results
from holdfast.appliance.offices.snapshot_rescan import SnapshotRescan
from holdfast.appliance.offices.verification_office import VerificationOffice
from holdfast.appliance.upkeep.history import History


class ApplianceService(
    Ownership,
    Farewell,
    Infrastructure,
    RepositoryRescan,
    SnapshotRescan,
    CollectionOffice,
    VerificationOffice,
    PolicyOffice,
    Results,
    History,
):
    """Calls block, and may come from any thread; work that lasts is a session, which the engine carries on."""
