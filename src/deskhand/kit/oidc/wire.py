"""What an OpenID provider says of itself, read through the one door out and kept for an hour.

Every failure here is the provider's or the network's and is told as one sentence that names neither addresses nor
secrets: it is read on the sign-in page, by strangers. The log has the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deskhand.errors import InvalidInputError, UnavailableError
from deskhand.kit.http import HttpClientFactory

WELL_KNOWN = "/.well-known/openid-configuration"
ANSWER_BYTES = 1024 * 1024
ANSWER_SECONDS = 10.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How this installation is known to one provider.

    Attributes:
        name: What people call the provider.
        issuer: The provider's identifier, compared letter by letter.
        client_id: Ours, at the provider.
        client_secret: Shared with the provider.
        scopes: What is asked for, separated by spaces.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: str = "openid email profile"


class Metadata(BaseModel):
    """The part of a provider's metadata (OpenID Connect Discovery 1.0, section 3) that is used."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    # Both defaults are the specification's own for a document that leaves them out.
    token_endpoint_auth_methods_supported: list[str] = Field(default=["client_secret_basic"])
    authorization_response_iss_parameter_supported: bool = False

    def addresses(self) -> list[str]:
        """Every address that a browser or this server would be sent to."""
        known = (self.authorization_endpoint, self.token_endpoint, self.jwks_uri)
        return [*known, *(one for one in (self.userinfo_endpoint, self.end_session_endpoint) if one)]


class Wire:
    """Calls to providers.

    Args:
        http: The one door out; its guard judges every address, also those that a provider names.
    """

    def __init__(self, http: HttpClientFactory) -> None:
        # A provider's documents are small, and a person waits for them.
        self._http = replace(
            http, read_timeout=ANSWER_SECONDS, answer_timeout=ANSWER_SECONDS, answer_bytes=ANSWER_BYTES
        )

    async def metadata(self, relation: Relation) -> Metadata:
        """Read what a provider says of itself.

        Raises:
            UnavailableError: It does not answer, or its document cannot be used.
        """
        # Discovery, section 4.1: a slash at the end of the issuer is dropped before the path is added.
        document = await self.read(relation, relation.issuer.rstrip("/") + WELL_KNOWN)
        try:
            metadata = Metadata.model_validate(document)
        except ValidationError as error:
            log.warning("oidc_metadata_unusable", provider=relation.name, faults=error.error_count())
            raise self.useless(relation) from None
        # Section 4.3: a document of another issuer would let that one speak for this one.
        if metadata.issuer != relation.issuer:
            log.warning("oidc_issuer_differs", provider=relation.name, said=metadata.issuer[:200])
            raise UnavailableError(
                f"{relation.name} calls itself by another issuer than the one that is set up; nobody can sign in with"
                " it until an administrator has mended that."
            )
        if not all(self.may_call(address) for address in metadata.addresses()):
            log.warning("oidc_endpoint_refused", provider=relation.name)
            raise self.useless(relation)
        return metadata

    def may_call(self, address: str) -> bool:
        """Whether an address is HTTPS; plain HTTP only where the installation allows private addresses."""
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        plain = parts.scheme == "http" and self._http.allow_private
        return bool(parts.hostname) and not parts.fragment and (parts.scheme == "https" or plain)

    async def read(self, relation: Relation, address: str, *, bearer: str | None = None) -> dict[str, Any]:
        """A JSON object from an address of the provider."""
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        status, document = await self._ask(relation, "GET", address, headers=headers)
        if status != 200:
            log.warning("oidc_answer_refused", provider=relation.name, status=status, path=urlsplit(address).path)
            raise self.useless(relation)
        return document

    async def post(
        self, relation: Relation, address: str, form: Mapping[str, str], *, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """The status and JSON object with which the provider answers a form."""
        sent = {"Accept": "application/json", **headers}
        return await self._ask(relation, "POST", address, headers=sent, form=form)

    async def _ask(
        self,
        relation: Relation,
        method: str,
        address: str,
        *,
        headers: dict[str, str],
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with self._http.client() as client:
                answer = await client.request(method, address, headers=headers, data=form)
                document = json.loads(answer.content)
        except (httpx2.HTTPError, httpx2.InvalidURL, InvalidInputError) as error:
            # The guard's own words name an address inside our network, so they are for the log alone.
            log.warning("oidc_provider_away", provider=relation.name, error=type(error).__name__, reason=str(error))
            raise self.away(relation) from None
        except (ValueError, RecursionError):
            log.warning("oidc_answer_no_json", provider=relation.name, path=urlsplit(address).path)
            raise self.useless(relation) from None
        if not isinstance(document, dict):
            raise self.useless(relation)
        return answer.status_code, document

    @staticmethod
    def away(relation: Relation) -> UnavailableError:
        """The provider does not answer."""
        return UnavailableError(
            f"{relation.name} does not answer at the moment. Try again in a minute.", retry_after=60
        )

    @staticmethod
    def useless(relation: Relation) -> UnavailableError:
        """The provider answers, and not as OpenID Connect says."""
        return UnavailableError(
            f"{relation.name} answers in a way that cannot be used. Try again in a minute, or ask an administrator.",
            retry_after=60,
        )
