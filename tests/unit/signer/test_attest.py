"""A signer's word for an address: what others derive themselves, and a signature that its pinned identity made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from embit.descriptor import Descriptor
from eth_utils.address import to_checksum_address
from nacl.signing import VerifyKey

from strongroom_core.attestations import attestation_bytes
from strongroom_core.ids import HOUSE_MERCHANT
from strongroom_core.proof_messages import Attested, AttestRequest
from tests.unit.signer.books_kit import EVM, World
from tests.unit.signer.kit import CHAIN, DEPLOYMENT, KEYS, MERCHANT, OTHER_MERCHANT, account

HOT_NAMES, COLD_NAMES = ("A", "B", "R"), ("C1", "C2", "C3")
VECTORS = Path(__file__).parents[2] / "vectors" / "forwarder_v1.json"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def ask(world: World, **changes: object) -> Attested:
    values = {"request_id": "req", "chain": CHAIN, "merchant": str(MERCHANT), "key_set": "hot", "first": 0, "count": 3}
    answer = world.bench.ask(AttestRequest(**(values | changes)))  # type: ignore[arg-type]
    assert isinstance(answer, Attested), answer
    return answer


@pytest.mark.parametrize(("merchant", "branch"), [(MERCHANT, 2), (OTHER_MERCHANT, 3), (HOUSE_MERCHANT, 1)])
@pytest.mark.parametrize(("key_set", "names"), [("hot", HOT_NAMES), ("cold", COLD_NAMES)])
def test_addresses_of_a_bitcoin_like_are_those_of_its_descriptor(
    world: World, merchant: str, branch: int, key_set: str, names: tuple[str, ...]
):
    keys = ",".join(f"{account(name)}/{branch}/*" for name in names)
    descriptor = Descriptor.from_string(f"wsh(sortedmulti(2,{keys}))")
    answer = ask(world, merchant=str(merchant), key_set=key_set, first=7)
    network = {"bech32": "bcrt"}
    wanted = [descriptor.derive(index).script_pubkey().address(network) for index in (7, 8, 9)]
    assert [item.address for item in answer.attestations] == wanted
    assert [item.index for item in answer.attestations] == [7, 8, 9]


def test_the_signature_is_the_identitys_over_the_canonical_bytes(world: World):
    rows = world.bench.signer.journal.count
    answer = ask(world, chain=EVM, key_set="forwarder")
    assert answer.identity == bytes(KEYS["A"].identity.verify_key)
    for item in answer.attestations:
        data = attestation_bytes(DEPLOYMENT, EVM, MERCHANT, "forwarder", item.index, item.address)
        VerifyKey(answer.identity).verify(data, item.signature)
        assert item.address == to_checksum_address(item.address)
    assert world.bench.signer.journal.count == rows


def test_forwarders_of_the_vectors_are_attested(world: World):
    vector = next(item for item in json.loads(VECTORS.read_text())["cases"] if item["index"] == "1")
    assert vector["branch"] == "2"
    policy = world.policy.safes[EVM]
    world.policy.safes[EVM] = replace(
        policy, factory=bytes.fromhex(vector["factory"]), cold_safe=bytes.fromhex(vector["treasury"])
    )
    answer = ask(world, chain=EVM, key_set="forwarder", first=1, count=1)
    assert answer.attestations[0].address.lower() == "0x" + vector["forwarder"]


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"merchant": "mer_01j9zzzzzzzzzzzzzzzzzzzzz9"}, "merchant-unknown"),
        ({"merchant": "house"}, "merchant-unknown"),
        ({"chain": "bip122:0"}, "chain-unknown"),
        ({"key_set": "warm"}, "proof-place"),
        ({"key_set": "forwarder"}, "proof-place"),
        ({"chain": EVM, "key_set": "hot"}, "proof-place"),
        ({"count": 5_001}, "request-malformed"),
        ({"first": 2**31 - 2, "count": 3}, "request-malformed"),
        ({"first": 2**63 - 1, "count": 1}, "request-malformed"),
    ],
)
def test_what_cannot_be_attested_is_refused_and_not_journalled(world: World, changes: dict[str, object], tag: str):
    rows = world.bench.signer.journal.count
    values = {"request_id": "req", "chain": CHAIN, "merchant": str(MERCHANT), "key_set": "hot", "first": 0, "count": 1}
    assert world.bench.tag(AttestRequest(**(values | changes))) == tag  # type: ignore[arg-type]
    assert world.bench.signer.journal.count == rows


def test_none_and_the_last_are_answered(world: World):
    assert ask(world, count=0).attestations == ()
    assert ask(world, first=2**31 - 1, count=1).attestations[0].index == 2**31 - 1
