"""The gate before all services: who asks is found out, the signature checked, and every demand judged.

Unsigned requests pass: what S3 shows to everybody, it decides itself.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from holdfast.lab import aws_errors
from holdfast.lab.access.calls import Call, read_call
from holdfast.lab.access.demands import demands_of
from holdfast.lab.access.demands_ec2 import profile_asked_for
from holdfast.lab.access.demands_s3 import ROOT_ALWAYS, parts_of, rule_of
from holdfast.lab.access.evaluator import Demand, Effect, Verdict, authorize
from holdfast.lab.access.iam_hooks import SESSION_REQUEST, SessionRequest
from holdfast.lab.access.identities import Caller, Identities, NoSuchKeyError
from holdfast.lab.access.on_behalf import ASKING, NotAllowedError
from holdfast.lab.access.refusals import (
    Doubt,
    key_not_usable,
    not_authenticated,
    not_authorized,
    unusable_profile,
    words_of,
)
from holdfast.lab.access.s3_deletions import delete_what_may_be
from holdfast.lab.access.signature import is_right, read_signature
from holdfast.lab.access.witness import Witness
from holdfast.lab.http_front import run
from holdfast.lab.request_scope import Scope, scope_of

# moto acts for the account that this header names.
ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
_OLD_KEY = re.compile(r"AWS ([^:\s]+):")
# What is asked of another account's queue or key is done in that account.
_DONE_BY_OWNER = ("sqs", "kms")
# What a request leads to whose parameters are of the wrong kind; it must not pass unjudged.
_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
_CHANGES_IAM = ("iam", "cloudformation")
_READING = ("Get", "List", "Describe", "Simulate")


class Gate:
    """A WSGI application in front of services; `now` is the lab's time in seconds."""

    def __init__(
        self, services: WSGIApplication, identities: Identities, witness: Witness, now: Callable[[], float]
    ) -> None:
        self._services = services
        self._identities = identities
        self._witness = witness
        self._now = now

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scope = scope_of(environ)
        if not scope.access_key:
            return self._unsigned(environ, start_response)
        protocol = aws_errors.protocol_of(scope.service, environ)
        try:
            caller = self._identities.caller(scope.access_key)
        except NoSuchKeyError:
            return self._refuse(not_authenticated(protocol, Doubt.UNKNOWN_KEY), protocol, environ, start_response)
        call = read_call(scope, caller.principal.account, environ)
        doubt = self._doubt(caller, scope, call) if caller.secret is not None else None
        if doubt is not None:
            return self._refuse(not_authenticated(protocol, doubt), protocol, environ, start_response)
        environ[ACCOUNT_HEADER] = caller.principal.account
        try:
            error = self._judged(caller, call, protocol)
        except _UNREADABLE as cause:
            error = aws_errors.internal(protocol, f"{type(cause).__name__}: {cause}")
        if error is not None:
            return self._refuse(error, protocol, environ, start_response)
        return self._passed(caller, call, start_response)

    def _may(self, caller: Caller, call: Call, demand: Demand) -> Verdict:
        """Judge one demand, and let it be seen."""
        context = {**self._surroundings(call), **caller.context, **demand.context}
        if demand.rule is not None:
            context["aws:resourceaccount"] = (demand.rule.account,)
        verdict = authorize(caller.principal, caller.permissions, replace(demand, context=context))
        if caller.principal.kind == "root" and demand.action in ROOT_ALWAYS and demand.rule is not None:
            owner = demand.rule.account == caller.principal.account
            verdict = Verdict(Effect.ALLOWED) if owner else verdict
        self._witness.add(caller.principal.label, demand.action, demand.resource, verdict.effect.value)
        return verdict

    # ----------------------------------------------------------------------------------------------------- identity

    def _unsigned(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The old signatures of S3 are no longer accepted from those whose key the lab has issued."""
        environ.pop(ACCOUNT_HEADER, None)
        old = _OLD_KEY.match(environ.get("HTTP_AUTHORIZATION", ""))
        query = parse_qs(environ.get("QUERY_STRING", ""))
        key = old.group(1) if old else query.get("AWSAccessKeyId", [""])[0]
        if key:
            try:
                known = self._identities.caller(key).secret is not None
            except NoSuchKeyError:
                known = True
            if known:
                error = not_authenticated("s3", Doubt.OLD_SIGNATURE)
                return self._refuse(error, "s3", environ, start_response)
        return self._services(environ, start_response)

    def _doubt(self, caller: Caller, scope: Scope, call: Call) -> Doubt | None:
        environ = call.environ
        if caller.token is not None or environ.get("HTTP_X_AMZ_SECURITY_TOKEN"):
            token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or call.query.get("X-Amz-Security-Token")
            if token is None:
                return Doubt.UNKNOWN_KEY
            if token != caller.token:
                return Doubt.WRONG_TOKEN
        signature = read_signature(environ)
        if signature is None or not is_right(signature, caller.secret or "", environ, lambda: call.body):
            return Doubt.WRONG_SIGNATURE
        if caller.expires_at is not None and caller.expires_at <= self._now():
            return Doubt.EXPIRED
        if signature.presigned:
            try:
                begin = datetime.strptime(signature.moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            except ValueError:
                return Doubt.WRONG_SIGNATURE
            if begin + signature.expires_seconds < self._now():
                return Doubt.URL_EXPIRED
        return None

    # ------------------------------------------------------------------------------------------------------- verdict

    def _judged(self, caller: Caller, call: Call, protocol: str) -> aws_errors.AwsError | None:
        """The error that answers the request, or None where it may pass."""
        if call.service == "sts" and call.operation in ("GetSessionToken", "GetFederationToken") and caller.secret:
            return aws_errors.not_implemented(protocol, call.operation)
        demands = demands_of(call, caller.principal, self._identities)
        for demand in demands:
            verdict = self._may(caller, call, demand)
            if not verdict.allowed and call.service == "ebs" and demand.action.startswith("kms:"):
                return key_not_usable()
            if not verdict.allowed:
                return not_authorized(protocol, caller.principal, demand, verdict)
            if demand.rule is not None and call.service in _DONE_BY_OWNER:
                call.environ[ACCOUNT_HEADER] = demand.rule.account
        profile = profile_asked_for(call)
        if profile is not None:
            role_arn = self._identities.profile_role(call.account, call.partition, profile)
            if not role_arn:
                return unusable_profile(profile, has_no_role=role_arn == "")
        return None

    def _passed(self, caller: Caller, call: Call, start_response: StartResponse) -> Iterable[bytes]:
        if call.service == "s3":
            return self._passed_to_s3(caller, call, start_response)
        if call.service in _CHANGES_IAM and not call.operation.startswith(_READING):
            asking = ASKING.set(lambda demand: self._on_behalf(caller, call, demand))
            try:
                status, headers, body = run(self._services, call.environ)
            finally:
                ASKING.reset(asking)
            self._identities.note_changes()
            start_response(status, headers)
            return body
        if call.operation != "AssumeRole":
            return self._services(call.environ, start_response)
        token = SESSION_REQUEST.set(_session_request(call, caller))
        try:
            return self._services(call.environ, start_response)
        finally:
            SESSION_REQUEST.reset(token)

    def _passed_to_s3(self, caller: Caller, call: Call, start_response: StartResponse) -> Iterable[bytes]:
        bucket, key = parts_of(call)
        method = call.environ["REQUEST_METHOD"]
        if method == "POST" and bucket and not key and "delete" in call.query:
            return delete_what_may_be(
                call, lambda demand: self._may(caller, call, demand), self._services, start_response
            )
        if caller.secret is None or not key or method not in ("GET", "HEAD"):
            return self._services(call.environ, start_response)
        status, headers, body = run(self._services, call.environ)
        if status.startswith("404"):
            # Whether a key is there, S3 tells only those who may list the bucket.
            demand = Demand("s3:ListBucket", f"arn:{call.partition}:s3:::{bucket}", {}, rule_of(bucket))
            verdict = self._may(caller, call, demand)
            if not verdict.allowed:
                error = not_authorized("s3", caller.principal, demand, verdict)
                return self._refuse(error, "s3", call.environ, start_response)
        start_response(status, headers)
        return body

    def _on_behalf(self, caller: Caller, call: Call, demand: Demand) -> None:
        """What a service asks for while it serves the call: as the caller, or as the role that it was handed."""
        acting = self._identities.of_arn(call.parameters.get("RoleARN", "")) or caller
        verdict = self._may(acting, call, demand)
        if not verdict.allowed:
            words = words_of(acting.principal, demand, verdict)
            raise NotAllowedError(f'Resource handler returned message: "{words}" (HandlerErrorCode: AccessDenied)')

    def _surroundings(self, call: Call) -> dict[str, tuple[str, ...]]:
        """The keys that every request has. Within a machine nobody listens: that counts as transport by TLS."""
        now = self._now()
        environ = call.environ
        return {
            "aws:requestedregion": (call.region,),
            "aws:sourceip": (environ.get("REMOTE_ADDR", ""),),
            "aws:useragent": (environ.get("HTTP_USER_AGENT", ""),),
            "aws:currenttime": (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),),
            "aws:epochtime": (str(int(now)),),
            "aws:securetransport": ("true",),
            "aws:viaawsservice": ("false" if ASKING.get() is None else "true",),
        }

    def _refuse(
        self, error: aws_errors.AwsError, protocol: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        return aws_errors.send(error, protocol, environ, start_response)


def _session_request(call: Call, caller: Caller) -> SessionRequest:
    asked = call.parameters
    return SessionRequest(
        tuple(one["arn"] for one in asked.get("PolicyArns", ()) if "arn" in one),
        tuple((tag["Key"], tag.get("Value", "")) for tag in asked.get("Tags", ()) if "Key" in tag),
        chained=caller.principal.kind == "session",
    )
