from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.merchants import rules
from strongroom.merchants.errors import InvalidMerchantError, ScopeMissingError
from strongroom.merchants.model import Principal, Scope
from strongroom_core.ids import MerchantId, TokenId


def test_a_token_carries_its_id_and_256_random_bits() -> None:
    token_id = TokenId.new()
    text, other = rules.new_secret_text(token_id), rules.new_secret_text(token_id)
    assert text != other
    assert text.startswith("srk_")
    assert rules.token_id_of(text) == token_id
    assert len(text.rpartition(f"{token_id.removeprefix('tok_')}_")[2]) == 43
    assert rules.digest_of(text) == hashlib.sha256(text.encode()).digest()


@given(st.text(max_size=90))
def test_anything_else_is_no_token(text: str) -> None:
    assert rules.token_id_of(text) is None
    assert len(rules.digest_of(text)) == 32


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "a", lambda t: t.upper(), lambda t: t + "\n"])
def test_a_token_a_little_off_is_no_token(change) -> None:  # noqa: ANN001 -- a parameter
    assert rules.token_id_of(change(rules.new_secret_text(TokenId.new()))) is None


@pytest.mark.parametrize("name", ["", "   ", "a" * 201, "two\nlines", "nul\x00", "\ud800"])
def test_names_that_no_page_can_show_are_refused(name: str) -> None:
    with pytest.raises(InvalidMerchantError):
        rules.clean_name(name)


def test_names_lose_their_outer_blanks() -> None:
    assert rules.clean_name(" Käse & Söhne ") == "Käse & Söhne"


def test_a_principal_has_only_its_scopes() -> None:
    principal = Principal(MerchantId.new(), TokenId.new(), frozenset({Scope.READ}))
    principal.require(Scope.READ)
    with pytest.raises(ScopeMissingError):
        principal.require(Scope.PAYOUTS)
