"""Whose the appliance is: one server at a time, known by its certificate (I04)."""

import hashlib
import hmac
import ssl

from holdfast import __version__
from holdfast.appliance.desk.desk import LEAVING, Desk
from holdfast.appliance.ports.records import Records
from holdfast.appliance.surface import OWN_ACCOUNT
from holdfast.domain.errors import ConflictError, NotAuthenticatedError, UnavailableError, UsageError
from holdfast.protocol.appliance_answers import API_VERSION, ApplianceFacts, AwsSettings
from holdfast.protocol.encoding import from_document, to_document

OWNER, FORMER, CODE, AWS_SETTINGS = "owner", "former-owners", "enrolment-code", "aws"
_CODE_BYTES = 16
_REMEMBERED = 20


def known_aws_settings(records: Records) -> AwsSettings | None:
    """What the plug-in's stack made, as an appliance with these records was told last."""
    document = records.settings.get(AWS_SETTINGS)
    return None if document is None else from_document(AwsSettings, document, "the settings of the stack")


class Ownership(Desk):
    """Enrolment, release, and what the owner tells first."""

    def facts(self) -> ApplianceFacts:
        """Who it is."""
        settings, owner = self.aws_settings(), self._records.settings.get(OWNER)
        return ApplianceFacts(
            appliance_id=self._surface.appliance_id,
            version=__version__,
            api=API_VERSION,
            usn=self._records.changes.newest(),
            region=self._surface.region,
            account_id=settings.account_id if settings is not None else self._own_account_id(),
            configured=settings is not None,
            owner=None if owner is None else str(owner["server_id"]),
            leaving=self._is_leaving(),
        )

    def configure(self, settings: AwsSettings) -> None:
        """Take over what the plug-in's stack made."""
        self._records.settings.put(AWS_SETTINGS, to_document(settings))

    def aws_settings(self) -> AwsSettings | None:
        """What `configure` was told last."""
        return known_aws_settings(self._records)

    def new_enrolment_code(self) -> str:
        """A code that lets one server enrol once; an earlier one is worth nothing any more. Only its hash is kept."""
        code = self._surface.surroundings.random_bytes(_CODE_BYTES).hex()
        self._records.settings.put(CODE, _hash(code))
        return code

    def enrol(self, code: str, server_id: str, certificate: str) -> ApplianceFacts:
        """Belong to the server with that certificate (PEM); an earlier owner is told when it asks next."""
        expected = self._records.settings.get(CODE)
        if expected is None or not hmac.compare_digest(str(expected), _hash(code)):
            raise NotAuthenticatedError(
                "the enrolment code is wrong",
                why="it was used before, or is another appliance's",
                cure="have the appliance make a new one, and read it where it says",
            )
        self.adopt(server_id, certificate)
        return self.facts()

    def adopt(self, server_id: str, certificate: str) -> None:
        """Belong to that server, as whoever started this appliance says. A code that was made before is worth nothing.

        It goes first: whoever is cut short between the two has lost a code, and the next start makes another; the other
        way round it would open the appliance a second time.
        """
        fingerprint = _fingerprint(certificate)
        self._records.settings.put(CODE, None)
        self._forget_owner(but=fingerprint)
        owner = {"server_id": server_id, "certificate": certificate, "sha256": fingerprint}
        self._records.settings.put(OWNER, owner)
        self._records.settings.put(LEAVING, None)

    def owner_certificate(self) -> str | None:
        """The PEM that is trusted."""
        owner = self._records.settings.get(OWNER)
        return None if owner is None else str(owner["certificate"])

    def known_certificates(self) -> tuple[str, ...]:
        """The owner's PEM and those of former owners: TLS lets them in, so that these can be told whose it is now."""
        owner = self.owner_certificate()
        former = tuple(one["certificate"] for one in self._former())
        return former if owner is None else (owner, *former)

    def release(self) -> None:
        """Belong to nobody, until it is enrolled with a code that is made from now on."""
        self._records.settings.put(CODE, None)
        self._forget_owner(but="")
        self._records.settings.put(OWNER, None)

    def check_caller(self, certificate_sha256: str) -> None:
        """Whether the certificate is the owner's."""
        owner = self._records.settings.get(OWNER)
        if owner is not None and hmac.compare_digest(str(owner["sha256"]), certificate_sha256.lower()):
            return
        if certificate_sha256.lower() in {one["sha256"] for one in self._former()}:
            raise ConflictError(
                "this appliance is owned by another server",
                why="it was enrolled there, and obeys one server only",
                cure="connect it again from here with a new enrolment code, or remove it here",
            )
        raise NotAuthenticatedError(
            "the certificate is not the owner's",
            why="the appliance obeys the server that enrolled it",
            cure="connect it with its enrolment code",
        )

    def _forget_owner(self, but: str) -> None:
        owner = self._records.settings.get(OWNER)
        former = [one for one in self._former() if one["sha256"] != but]
        if owner is not None and owner["sha256"] != but:
            former.append({"sha256": str(owner["sha256"]), "certificate": str(owner["certificate"])})
        self._records.settings.put(FORMER, former[-_REMEMBERED:])

    def _former(self) -> list[dict[str, str]]:
        return list(self._records.settings.get(FORMER) or [])

    def _own_account_id(self) -> str:
        try:
            return self._surface.cloud.identity(OWN_ACCOUNT)
        except UnavailableError:
            return ""


def _hash(code: str) -> str:
    return hashlib.sha256(code.strip().encode()).hexdigest()


def _fingerprint(certificate: str) -> str:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    except ValueError as error:
        raise UsageError("this is no certificate", why="it is no PEM", cure="send the server's certificate") from error
