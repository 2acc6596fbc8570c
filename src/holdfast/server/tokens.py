"""Bearer tokens: made here, shown once, kept as their SHA-256."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.errors import NotAuthenticatedError, NotFoundError
from holdfast.server.ports.records import StoredToken, TokenKind, Tokens
from holdfast.server.ports.surroundings import Surroundings

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# So many digits to the base 62 hold 32 bytes.
_SECRET_DIGITS = 43
_FORM = re.compile(rf"hf_([0-9a-f]{{8}})_[0-9A-Za-z]{{{_SECRET_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `appliance`: the one that a service's token is bound to."""

    token_id: str
    kind: TokenKind
    appliance: str | None = None


class TokenBook:
    """Issues tokens and recognises them."""

    def __init__(self, tokens: Tokens, surroundings: Surroundings) -> None:
        self._tokens = tokens
        self._surroundings = surroundings

    def issue(self, kind: TokenKind, appliance: str | None = None, lifetime: timedelta | None = None) -> str:
        """A new token; its text is nowhere else."""
        token_id = self._surroundings.random_bytes(4).hex()
        number = int.from_bytes(self._surroundings.random_bytes(32), "big")
        text = f"hf_{token_id}_{_base62(number)}"
        now = self._surroundings.now()
        expires_at = now + lifetime if lifetime is not None else None
        self._tokens.add(StoredToken(token_id, _sha256(text), kind, now, appliance, expires_at))
        return text

    def authenticate(self, text: str) -> Principal:
        """Who shows this token. Raises NotAuthenticatedError, which never says what was wrong with it."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise _refusal()
        try:
            token = self._tokens.get(form[1])
        except NotFoundError:
            raise _refusal() from None
        if not hmac.compare_digest(token.sha256, _sha256(text)) or not _valid(token, self._surroundings.now()):
            raise _refusal()
        return Principal(token.id, token.kind, token.appliance)

    def revoke(self, text: str) -> None:
        """That token opens nothing any more."""
        self._tokens.revoke(_id_of(text), self._surroundings.now())

    def revoke_services(self, appliance: str) -> None:
        """The services of that appliance are to show new ones, or none."""
        self._tokens.revoke_services(appliance, self._surroundings.now())

    def revoke_other_admins(self, text: str) -> int:
        """Of all that administrators have, that token alone opens anything from now on; how many did before."""
        return self._tokens.revoke_admins_but(_id_of(text), self._surroundings.now())

    def is_admin(self, text: str) -> bool:
        """Whether it is an administrator's token, and accepted."""
        try:
            return self.authenticate(text).kind == TokenKind.ADMIN
        except NotAuthenticatedError:
            return False


def _id_of(text: str) -> str:
    return text.split("_")[1]


def _valid(token: StoredToken, now: datetime) -> bool:
    return token.revoked_at is None and (token.expires_at is None or now < token.expires_at)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _base62(number: int) -> str:
    digits = ""
    for _ in range(_SECRET_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _refusal() -> NotAuthenticatedError:
    return NotAuthenticatedError(
        "the server does not know who is asking",
        why="the request has no token, or one that is unknown, expired or revoked",
        cure="set HOLDFAST_TOKEN to a valid token; that of the administrator lies in the server's folder, admin-token, "
        "and `holdfast server token --renew` there makes a new one",
    )
