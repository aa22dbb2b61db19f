"""How many operators a policy asks for: where any of its chains is a main network, never one alone."""

from __future__ import annotations

import pytest

from strongroom_signer.errors import PolicyError
from strongroom_signer.evm_chains import MULTI_SEND_CALL_ONLY
from strongroom_signer.policy import parse_policy
from tests.unit.signer import kit, safe_kit

#: The Safe's part of a policy as of the main network: its delegatecalls go to Safe's own contract there.
SAFE = (
    safe_kit.policy_text()
    .decode()
    .replace(safe_kit.text_of(safe_kit.HOUSE.multisend), safe_kit.text_of(next(iter(MULTI_SEND_CALL_ONLY))))
    .replace(safe_kit.CHAIN, "eip155:1")
    .replace(kit.ALONE, kit.TRUSTED)
)
TEST = kit.policy_text(trust=kit.TRUSTED).decode()
MIXED = SAFE + TEST[TEST.index("[chains.") :]


def with_quorum(text: str, quorum: int) -> bytes:
    assert text.count("operator_quorum = 2\n") == 1
    return text.replace("operator_quorum = 2\n", f"operator_quorum = {quorum}\n").encode()


@pytest.mark.parametrize("text", [SAFE, MIXED], ids=["main network", "main and test network"])
@pytest.mark.parametrize("quorum", [0, 1])
def test_where_money_is_real_one_operator_alone_is_refused(text: str, quorum: int):
    with pytest.raises(PolicyError) as refused:
        parse_policy(with_quorum(text, quorum))
    assert refused.value.code == "policy-invalid"
    assert "operator_quorum is at least 2" in refused.value.message


@pytest.mark.parametrize("text", [SAFE, MIXED], ids=["main network", "main and test network"])
def test_two_of_them_are_enough(text: str):
    policy = parse_policy(with_quorum(text, 2))
    assert policy.trust.operator_quorum == len(policy.trust.operators) == 2


@pytest.mark.parametrize("quorum", [0, 1, 2])
def test_a_test_network_may_have_fewer(quorum: int):
    assert parse_policy(with_quorum(TEST, quorum)).trust.operator_quorum == quorum
