"""Routes: accounts and repositories."""

from typing import Annotated

from fastapi import Depends, Query

from holdfast.domain.collection import CollectionWish
from holdfast.domain.history import SessionHistory
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.session import Session
from holdfast.protocol.appliance_answers import (
    AccountCheck,
    RepositoryOrder,
    RepositoryRescanned,
    RepositoryRescanOrder,
)
from holdfast.rest.appliance_api.use_cases import Infrastructure
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import Body, Door, same_name

CollectionBody = Annotated[CollectionWish, Depends(Body(CollectionWish, "the collection"))]
RescanBody = Annotated[RepositoryRescanOrder, Depends(Body(RepositoryRescanOrder, "the order"))]
ForgetPoints = Annotated[bool, Query(description="Take its restore points off the list first; they stay in it.")]


def add_infrastructure(door: Door, appliance: Infrastructure) -> None:
    """Add them."""
    _add_accounts(door, appliance)
    _add_repositories(door, appliance)
    _add_history(door, appliance)


def _add_accounts(door: Door, appliance: Infrastructure) -> None:
    def list_accounts() -> list[Account]:
        """Registered accounts, by name."""
        return list(appliance.list_accounts())

    def get_account(name: str) -> Account:
        """One account."""
        return appliance.get_account(name)

    def put_account(name: str, account: Annotated[Account, Depends(Body(Account, "the account"))]) -> Account:
        """Add an account, or replace it."""
        same_name(name, account.name)
        return appliance.put_account(account)

    def remove_account(name: str) -> None:
        """Forget an account."""
        appliance.remove_account(name)

    def check_account(name: str) -> AccountCheck:
        """Who answers in the account, and what of reading it refuses."""
        return appliance.check_account(name)

    door.add("GET", "/accounts", Permission.OWNER, list_accounts)
    door.add("GET", "/accounts/{name}", Permission.OWNER, get_account)
    door.add("PUT", "/accounts/{name}", Permission.OWNER, put_account)
    door.add("DELETE", "/accounts/{name}", Permission.OWNER, remove_account)
    door.add("POST", "/accounts/{name}/check", Permission.OWNER, check_account)


def _add_repositories(door: Door, appliance: Infrastructure) -> None:
    def list_repositories() -> list[RepositoryDefinition]:
        """Repositories, by name."""
        return list(appliance.list_repositories())

    def get_repository(name: str) -> RepositoryDefinition:
        """One repository; never its password."""
        return appliance.get_repository(name)

    def put_repository(
        name: str, order: Annotated[RepositoryOrder, Depends(Body(RepositoryOrder, "the repository"))]
    ) -> RepositoryDefinition:
        """Add a repository, or replace it; refused when it does not open."""
        same_name(name, order.repository.name)
        return appliance.put_repository(order.repository, order.password)

    def rescan_repository(name: str, order: RescanBody) -> RepositoryRescanned:
        """Take on the restore points that are found in a repository, but for those that other appliances have."""
        return appliance.rescan_repository(name, order)

    def accept_repository(name: str) -> None:
        """Accept a repository as it is now, though it was set back or replaced since it was seen last."""
        appliance.accept_repository(name)

    def collect_garbage(name: str, wish: CollectionBody) -> Session:
        """Free what no restore point of a repository needs, or only say what would go."""
        return appliance.collect_garbage(name, wish)

    def check_repository_removal(name: str, forget_points: ForgetPoints = False) -> None:
        """Whether a repository may be removed; changes nothing."""
        appliance.check_repository_removal(name, forget_points)

    def remove_repository(name: str, forget_points: ForgetPoints = False) -> None:
        """Forget a repository; its contents stay."""
        appliance.remove_repository(name, forget_points)

    door.add("GET", "/repositories", Permission.OWNER, list_repositories)
    door.add("GET", "/repositories/{name}", Permission.OWNER, get_repository)
    door.add("PUT", "/repositories/{name}", Permission.OWNER, put_repository)
    door.add("POST", "/repositories/{name}/rescan", Permission.OWNER, rescan_repository)
    door.add("POST", "/repositories/{name}/accept", Permission.OWNER, accept_repository)
    door.add("POST", "/repositories/{name}/collect-garbage", Permission.OWNER, collect_garbage)
    door.add("POST", "/repositories/{name}/check-removal", Permission.OWNER, check_repository_removal)
    door.add("DELETE", "/repositories/{name}", Permission.OWNER, remove_repository)


def _add_history(door: Door, appliance: Infrastructure) -> None:
    def get_history() -> SessionHistory:
        """For how many days ended sessions are kept; null: for ever."""
        return appliance.get_history()

    def put_history(
        history: Annotated[SessionHistory, Depends(Body(SessionHistory, "the session history"))],
    ) -> SessionHistory:
        """Keep ended sessions so long from now on."""
        return appliance.put_history(history)

    door.add("GET", "/history", Permission.OWNER, get_history)
    door.add("PUT", "/history", Permission.OWNER, put_history)
