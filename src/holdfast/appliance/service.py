"""The appliance as its server sees it: every use case, each documented where it is done."""

from holdfast.appliance.collection_office import CollectionOffice
from holdfast.appliance.farewell import Farewell
from holdfast.appliance.history import History
from holdfast.appliance.infrastructure import Infrastructure
from holdfast.appliance.ownership import Ownership
from holdfast.appliance.policy_office import PolicyOffice
from holdfast.appliance.repository_rescan import RepositoryRescan
from holdfast.appliance.results import Results
from holdfast.appliance.snapshot_rescan import SnapshotRescan
from holdfast.appliance.verification_office import VerificationOffice


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
