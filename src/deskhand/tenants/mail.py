"""A tenant's mail: its server, its sender, and to whom its agents may write at all.

Stored encrypted with the connections, under the tool's name ``email``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.mail import Security, SmtpServer
from deskhand.kit.pointer import fault_sentence, pointer
from deskhand.tenants.connections import read_extras
from deskhand.tenants.fields import EMAIL
from deskhand.tenants.models import TenantConfig

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
ADDRESS = rf"^{_LOCAL}@{_DOMAIN}$"
"""A mail address as an agent may write to: nothing that could be read as two, or as a header."""


def check_address(value: str) -> str:
    """The address, if it is one.

    Raises:
        ValueError: It is none.
    """
    if len(value) > 254 or re.fullmatch(ADDRESS, value) is None:
        raise ValueError("must be a mail address such as desk@example.com")
    return value


def _check_recipient(value: str) -> str:
    if "@" in value.removeprefix("@"):
        return check_address(value)
    if re.fullmatch(_DOMAIN, value.removeprefix("@")) is None:
        raise ValueError("must be a mail address, or a domain such as example.com")
    return value.removeprefix("@")


MailAddress = Annotated[str, AfterValidator(check_address)]


class MailSettings(BaseModel):
    """A tenant's way to send mail."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:-]+$")
    port: int = Field(587, ge=1, le=65535)
    security: Security = "starttls"
    username: str | None = Field(None, max_length=320)
    password: SecretStr | None = None
    sender: MailAddress
    allowed_recipients: list[Annotated[str, AfterValidator(_check_recipient)]] = Field(min_length=1, max_length=200)

    @property
    def server(self) -> SmtpServer:
        """Where mail is handed over."""
        return SmtpServer(
            host=self.host,
            port=self.port,
            security=self.security,
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
        )

    def refused(self, recipients: list[str]) -> list[str]:
        """Recipients that the tenant does not allow."""
        allowed = {one.casefold() for one in self.allowed_recipients}
        # The whole domain is compared: "example.com" must not let sub.example.com or notexample.com in.
        return [one for one in recipients if not {one.casefold(), one.casefold().rpartition("@")[2]} & allowed]


def mail_settings(tenant: TenantConfig, secrets: SecretBox) -> MailSettings | None:
    """The tenant's mail, or None if it has none that can be used."""
    stored = read_extras(tenant, secrets).get(EMAIL)
    return MailSettings.model_validate(stored) if stored and not mail_faults(stored) else None


def own_addresses(tenant: TenantConfig, secrets: SecretBox) -> frozenset[str]:
    """Addresses that the tenant's mail comes from, in lower case: what they write to the desk is our own mail."""
    settings = mail_settings(tenant, secrets)
    return frozenset() if settings is None else frozenset({settings.sender.casefold()})


def mail_faults(stored: dict[str, Any]) -> list[FieldProblem]:
    """Everything that is wrong with mail settings; no value is quoted."""
    try:
        MailSettings.model_validate(stored)
    except ValidationError as error:
        return [
            FieldProblem(
                pointer(["connection_extras", EMAIL, *fault["loc"]]),
                f"{'.'.join(map(str, fault['loc']))}: {fault_sentence(fault)}",
            )
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        ]
    return []


def ensure_mail_settings(tenant: TenantConfig, secrets: SecretBox) -> None:
    """Refuse mail settings that could not be used.

    Raises:
        InvalidInputError: Names every fault.
    """
    stored = read_extras(tenant, secrets).get(EMAIL)
    faults = mail_faults(stored) if stored else []
    if faults:
        raise InvalidInputError(f"Mail: {'; '.join(fault.detail for fault in faults)}", errors=faults)
