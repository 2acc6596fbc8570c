"""Bearer tokens: an administrator may do everything that people do, a service what its one appliance needs."""

from types import MappingProxyType

from fastapi import Request

from holdfast.rest.authentication import Permission, Scope, bearer_token
from holdfast.server.ports.records import TokenKind
from holdfast.server.service import ManagementServer
from holdfast.server.tokens import Principal


class TokenAuthenticator:
    """`Authenticator` by the token of the request."""

    open_to_all: frozenset[tuple[str, str]] = frozenset()
    scheme = MappingProxyType({"type": "http", "scheme": "bearer"})

    def __init__(self, server: ManagementServer) -> None:
        self._server = server

    def caller(self, scope: Scope) -> object:
        """Whose token it is. Raises NotAuthenticatedError."""
        return self._server.authenticate(bearer_token(scope))

    def may(self, caller: object, permission: Permission, request: Request) -> bool:
        """Neither may do what is the other's."""
        if not isinstance(caller, Principal):
            return False
        if permission == Permission.SERVICE:
            return caller.kind == TokenKind.SERVICE and caller.appliance == request.path_params.get("name")
        return permission == Permission.ADMINISTRATOR and caller.kind == TokenKind.ADMIN
