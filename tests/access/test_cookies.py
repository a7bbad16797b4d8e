"""By which cookie a browser is known again: one that we made, for that very account, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import cookie_parser
from tests.support.api import Api
from tests.support.identity import pretender, register
from tests.support.people import account, sign_in

from deskhand.access.cookies import DEVICE_COOKIE, HOST, SSO_COOKIE, known_device, of_this_host
from deskhand.access.people.schemas import PersonInvite
from deskhand.kit.crypto import SecretBox
from deskhand.ui.csrf import SESSION_COOKIE

BLANKS = (b" ", b"\t", b"\xa0", b"\x85", b"\x1c", b"\x0b")
NAMES = {SESSION_COOKIE, SSO_COOKIE}
BOX = SecretBox([Fernet.generate_key().decode()])
ANN = "ann@example.com"


def cookie(content: Any, box: SecretBox = BOX) -> str:
    return box.encrypt(content if isinstance(content, str) else json.dumps(content))


def test_a_browser_is_known_to_the_account_that_it_signed_in_to() -> None:
    made = cookie({"email": ANN, "device": "browser-1"})
    assert known_device(BOX, made, email=ANN) == "browser-1"
    assert known_device(BOX, made, email="bob@example.com") is None


@pytest.mark.parametrize(
    "content",
    ["", "no JSON", "[]", "5", "null", '"text"', {}, {"email": ANN}, {"device": "browser-1"}, [{"email": ANN}]],
)
def test_what_we_encrypted_for_something_else_makes_no_browser_known(content: Any) -> None:
    assert known_device(BOX, cookie(content), email=ANN) is None


def test_a_cookie_of_another_installation_or_of_a_key_that_is_gone_is_a_strangers() -> None:
    made = cookie({"email": ANN, "device": "browser-1"}, SecretBox([Fernet.generate_key().decode()]))
    assert known_device(BOX, made, email=ANN) is None
    assert known_device(BOX, None, email=ANN) is None
    assert known_device(BOX, cookie({"email": ANN, "device": "x" * 3_000}), email=ANN) is None


@given(value=st.text(max_size=200))
def test_any_text_for_a_cookie_ends_no_sign_in(value: str) -> None:
    assert known_device(BOX, value, email=ANN) is None


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"email": "ann"}, "email"),
        ({"email": "ann@example.com\n"}, "email"),
        ({"email": "ann@example.com, eve@evil.test"}, "email"),
        ({"email": "a" * 250 + "@x.test"}, "email"),
        ({"name": "Ann\nLee"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"role": "platform_admin"}, "role"),
        ({"role": "owner"}, "role"),
        ({"is_platform_admin": True}, "is_platform_admin"),
    ],
)
def test_nobody_is_invited_under_what_is_no_address_name_or_role(sent: dict[str, Any], place: str) -> None:
    whole = {"email": ANN, "name": "Ann Lee", "role": "viewer"}
    assert PersonInvite.model_validate(whole).email == ANN
    with pytest.raises(ValidationError) as refusal:
        PersonInvite.model_validate({**whole, **sent})
    assert {str(fault["loc"][0]) if fault["loc"] else place for fault in refusal.value.errors()} == {place}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"__Host-deskhand_session=a", b"deskhand_session=a"),
        (b"a=b; __Host-deskhand_session=a; __Host-deskhand_sso=b", b"a=b; deskhand_session=a; deskhand_sso=b"),
        (b"deskhand_session=planted", b""),
        (b"deskhand_session=planted; __Host-deskhand_session=a", b"deskhand_session=a"),
        (b"__Host-deskhand_session=a;deskhand_session=planted", b"deskhand_session=a"),
        (b"  deskhand_sso = planted ; a=b", b"a=b"),
        # What a browser takes for another name, and who parses it may strip to ours.
        *((b"%bdeskhand_session%b=planted; a=b" % (blank, blank), b"a=b") for blank in BLANKS),
        *((b"%b__Host-deskhand_session=planted" % blank, None) for blank in BLANKS if blank not in b" \t"),
        (b"__host-deskhand_session=planted", None),
        (b"__Secure-deskhand_session=planted", None),
        (b"__Host-__Host-deskhand_session=planted", None),
        (b"deskhand_session", b""),
        (b"", b""),
    ],
)  # fmt: skip
def test_behind_https_a_cookie_of_ours_is_one_that_browsers_keep_for_this_host(sent: bytes, read: bytes | None) -> None:
    kept = of_this_host(sent)
    assert read is None or kept == read
    # As the framework reads it.
    assert "planted" not in [value for name, value in cookie_parser(kept.decode("latin-1")).items() if name in NAMES]


@given(st.binary(max_size=40))
def test_no_header_smuggles_one_of_ours_past_the_prefix(junk: bytes) -> None:
    header = junk + b"deskhand_session=planted"
    session = cookie_parser(of_this_host(header).decode("latin-1")).get("deskhand_session")
    assert session is None or junk.rstrip(b" \t").endswith(HOST.encode())


async def test_behind_https_every_cookie_leaves_with_the_prefix_and_opens_with_it_alone(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    api.state.public_url = "https://deskhand.example.com"
    answer = await sign_in(await api.client(), ANN)
    cookies = dict(one.split(";")[0].split("=", 1) for one in answer.headers.get_list("set-cookie"))
    assert cookies.keys() == {f"{HOST}{SESSION_COOKIE}", f"{HOST}{DEVICE_COOKIE}"}
    for one in answer.headers.get_list("set-cookie"):  # what the prefix asks for (RFC 6265bis, 4.1.3.2)
        assert {"secure", "path=/"} <= {part.strip().lower() for part in one.split(";")}
        assert "domain=" not in one.lower()
    session = cookies[f"{HOST}{SESSION_COOKIE}"]
    for name, status in ((f"{HOST}{SESSION_COOKIE}", 200), (SESSION_COOKIE, 401), (f"__Secure-{SESSION_COOKIE}", 401)):
        client = await api.client(Cookie=f"{name}={session}")
        assert (await client.get("/api/v1/agents")).status_code == status, name
    async with pretender() as source:
        provider = await register(api, source.url)
        gone = await (await api.client()).post(f"/login/sso/{provider}", data={"next": "/"})
    assert gone.headers["set-cookie"].startswith(f"{HOST}{SSO_COOKIE}=")
    out = await (await api.client(Cookie=f"{HOST}{SESSION_COOKIE}={session}")).post("/logout")
    assert out.headers["set-cookie"].startswith(f"{HOST}{SESSION_COOKIE}=")
