"""A proof opens one tenant for half a day, and only the key makes it."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.errors import ConfigurationError
from deskhand.kit.db import proofs
from deskhand.kit.db.proofs import LIFETIME, Prover, pads_of

KEY = "dGhlIHNlY29uZCBvZiB0d28ga2V5cyBmb3IgdGVzdHMK9x"
NOW = 1_780_000_000.0


def checked_by_database(key: str, proof: str, subject: str) -> bool:
    """As ``session_proof()`` computes it, from the pads alone."""
    inner, outer = pads_of(key)
    ends, kind, digest = proof.split(".")
    text = f"{ends}.{kind}.{subject}".encode()
    return hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).hexdigest() == digest


TENANT_ID = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


@given(tenant=TENANT_ID, other=TENANT_ID)
def test_a_tenants_proof_holds_for_that_tenant_by_what_the_database_keeps(tenant: str, other: str) -> None:
    proof = Prover(KEY, clock=lambda: NOW).of_tenant(tenant)
    assert checked_by_database(KEY, proof, tenant)
    assert checked_by_database(KEY, proof, other) is (tenant == other)
    assert not checked_by_database(KEY + "2", proof, tenant)


def test_pads_are_those_of_hmac() -> None:
    inner, outer = pads_of(KEY)
    key = hashlib.sha256(KEY.encode()).digest()
    own = hashlib.sha256(outer + hashlib.sha256(inner + b"text").digest()).digest()
    assert own == hmac.digest(key, b"text", "sha256")
    assert len(inner) == len(outer) == 64


def test_a_process_is_no_tenant_of_its_name() -> None:
    prover = Prover(KEY, clock=lambda: NOW)
    made = {prover.of_process("door"), prover.of_process("worker"), prover.of_tenant("door"), prover.of_tenant("")}
    assert len(made) == 4
    assert not checked_by_database(KEY, prover.of_tenant("door"), "")


def test_a_proof_is_used_again_for_half_its_life_and_ends_after_the_whole() -> None:
    seconds = [NOW]
    prover = Prover(KEY, clock=lambda: seconds[-1])
    first = prover.of_tenant("acme")
    assert int(first.split(".")[0]) == NOW + LIFETIME
    seconds.append(NOW + LIFETIME / 2 - 1)
    assert prover.of_tenant("acme") == first
    seconds.append(NOW + LIFETIME / 2)
    second = prover.of_tenant("acme")
    assert int(second.split(".")[0]) == seconds[-1] + LIFETIME
    assert checked_by_database(KEY, second, "acme")


def test_the_end_of_a_proof_cannot_be_moved() -> None:
    ends, kind, digest = Prover(KEY, clock=lambda: NOW).of_tenant("acme").split(".")
    assert not checked_by_database(KEY, f"{int(ends) + 1:010d}.{kind}.{digest}", "acme")
    assert not checked_by_database(KEY, f"{ends}.worker.{digest}", "acme")


def test_many_tenants_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "_REMEMBERED", 3)
    prover = Prover(KEY, clock=lambda: NOW)
    made = [prover.of_tenant(f"tenant-{number}") for number in range(10)]
    assert len(prover._made) <= 3
    assert [prover.of_tenant(f"tenant-{number}") for number in range(10)] == made


@pytest.mark.parametrize("key", ["", "password", "a" * 64, "changeme" * 5, "0123456789" * 4])
def test_a_key_that_can_be_guessed_starts_nothing_and_is_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="DESKHAND_TENANT_KEY can be guessed") as refusal:
        Prover(key)
    assert not key or key not in refusal.value.detail
