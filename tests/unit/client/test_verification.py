"""An address is shown only where every pinned signer attested it; whatever else an API says is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from strongroom_client.api import Api
from strongroom_client.errors import AddressForgedError, AddressUnattestedError, CheckoutError, SettingsError
from strongroom_client.pins import Pins, read_pins, render_pins
from strongroom_client.qr import read_path
from strongroom_client.transport import Transport
from strongroom_client.verification import verify_address, verify_invoice, verify_payment_uri
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC
from strongroom_core.attestations import attestation_bytes
from strongroom_core.ids import MerchantId
from tests.unit.client.scripted_server import Answer, ScriptedServer

KEYS = {name: SigningKey(bytes([number]) * 32) for number, name in enumerate(("A", "B"), 1)}
MERCHANT = MerchantId("mer_01jd0000000000000000000000")
CHAIN = BITCOIN_REGTEST.id
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
OTHER = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
PINS = Pins("demo", MERCHANT, {name: bytes(key.verify_key) for name, key in KEYS.items()})
EVM, TOKEN, HOLDER = (
    "eip155:1",
    "0xdac17f958d2ee523a2206206994597c13d831ec7",
    "0x52908400098527886E0F7030069857D2E4169EE7",
)


def word(name: str = "A", **changes: Any) -> dict[str, Any]:
    signed = {"deployment": "demo", "chain": CHAIN, "merchant": MERCHANT, "key_set": "cold", "index": 7}
    values: dict[str, Any] = {**signed, "address": ADDRESS} | changes
    signature = KEYS[name].sign(attestation_bytes(**values)).signature
    key = KEYS[name].verify_key.encode().hex()
    return {"signer": name, "identity": key, "key_set": "cold", "index": 7, "signature": signature.hex()}


def invoice(**changes: Any) -> dict[str, Any]:
    return {
        "deployment": "demo",
        "merchant_id": str(MERCHANT),
        "chain_id": CHAIN,
        "asset_id": REGTEST_BTC.id,
        "address": ADDRESS,
        "payment_uri": f"bitcoin:{ADDRESS}?amount=0.5&message=Order%201",
        "attestations": [word("A"), word("B")],
    } | changes


def test_what_every_pinned_signer_attested_is_taken():
    verify_invoice(PINS, invoice())
    verify_address(PINS, CHAIN, ADDRESS, [word("B"), word("A")])


@pytest.mark.parametrize("words", [[], [word("A")], [word("B")], None, "nonsense", [None, 7]])
def test_an_address_that_a_pinned_signer_did_not_attest_is_not_shown(words: Any):
    with pytest.raises(AddressUnattestedError):
        verify_address(PINS, CHAIN, ADDRESS, words)


@pytest.mark.parametrize(
    "bent",
    [
        word("A", address=OTHER),
        word("A", chain="bip122:000000000019d6689c085ae165831e93"),
        word("A", merchant="mer_01jd0000000000000000000001"),
        word("A", deployment="other"),
        word("A", key_set="hot"),
        word("A", index=8),
        word("A") | {"index": True},
        word("A") | {"index": "7"},
        word("A") | {"signature": "00" * 64},
        word("A") | {"signature": "no hex"},
        word("A") | {"signature": None},
        word("B") | {"signer": "A"},
        word("A") | {"identity": "00" * 32},
    ],
)
def test_a_word_for_anything_else_is_forged(bent: dict[str, Any]):
    with pytest.raises(AddressForgedError) as refused:
        verify_invoice(PINS, invoice(attestations=[bent, word("B")]))
    assert refused.value.code == "address-forged"
    with pytest.raises(AddressForgedError):
        verify_invoice(PINS, invoice(attestations=[word("A"), word("B"), bent]))


@pytest.mark.parametrize(
    "changes",
    [
        {"address": OTHER},
        {"merchant_id": "mer_01jd0000000000000000000001"},
        {"deployment": "other"},
        {"chain_id": "bip122:000000000019d6689c085ae165831e93"},
        {"asset_id": "bip122:000000000019d6689c085ae165831e93/slip44:0"},
        {"address": None},
        {"payment_uri": f"bitcoin:{OTHER}?amount=0.5"},
        {"payment_uri": f"bitcoin:{ADDRESS}?amount=0.5&r=https://thief.example"},
        {"payment_uri": f"bitcoin:{ADDRESS}?amount=0.5&pj=https://thief.example"},
        {"payment_uri": f"bitcoin:{ADDRESS}?amount=0.5&amount=0.5"},
        {"payment_uri": f"bitcoin://{ADDRESS}?amount=0.5"},
        {"payment_uri": f"https://thief.example/{ADDRESS}"},
        {"payment_uri": None},
    ],
)
def test_an_invoice_that_leads_elsewhere_is_forged(changes: dict[str, Any]):
    with pytest.raises(AddressForgedError):
        verify_invoice(PINS, invoice(**changes))


@pytest.mark.parametrize(
    ("asset", "uri", "good"),
    [
        (f"{EVM}/slip44:60", f"ethereum:{HOLDER}@1?value=5", True),
        (f"{EVM}/slip44:60", f"ethereum:{HOLDER}@137?value=5", False),
        (f"{EVM}/slip44:60", f"ethereum:{TOKEN}@1/transfer?address={HOLDER}&uint256=5", False),
        (f"{EVM}/slip44:60", f"ethereum:{HOLDER}@1?value=5&gas=9", False),
        (f"{EVM}/erc20:{TOKEN}", f"ethereum:{TOKEN}@1/transfer?address={HOLDER}&uint256=5", True),
        (f"{EVM}/erc20:{TOKEN}", f"ethereum:{TOKEN}@1/approve?address={HOLDER}&uint256=5", False),
        (f"{EVM}/erc20:{TOKEN}", f"ethereum:{TOKEN}@1/transfer?address={TOKEN}&uint256=5", False),
        (f"{EVM}/erc20:{TOKEN}", f"ethereum:{HOLDER}@1/transfer?address={HOLDER}&uint256=5", False),
        (f"{EVM}/erc20:{TOKEN}", f"ethereum:{HOLDER}@1?value=5", False),
    ],
)
def test_a_link_of_an_evm_chain_pays_the_asset_to_the_address(asset: str, uri: str, good: bool):
    if good:
        verify_payment_uri(uri, asset, EVM, HOLDER)
        return
    with pytest.raises(AddressForgedError):
        verify_payment_uri(uri, asset, EVM, HOLDER)


CALLS: list[Callable[[Api], object]] = [
    lambda api: api.create_invoice(amount="1", currency="EUR"),
    lambda api: api.invoice("inv_1"),
    lambda api: api.deposit_address(asset="BTC", reference="c"),
]


@pytest.mark.parametrize("call", CALLS)
def test_calls_with_pins_show_nothing_unverified(server: ScriptedServer, call: Callable[[Api], object]):
    with Transport(server.url, "token", sleep=lambda _: None) as transport:
        server.answer(Answer(body=invoice(chain=CHAIN)))
        assert call(Api(transport, PINS)) == invoice(chain=CHAIN)
        forged = invoice(chain=CHAIN, address=OTHER, payment_uri=f"bitcoin:{OTHER}?amount=0.5")
        server.answer(Answer(body=forged))
        with pytest.raises(AddressForgedError):
            call(Api(transport, PINS))
        assert call(Api(transport)) == forged
        server.answer(Answer(body=invoice(chain=CHAIN, attestations=[word("B")])))
        with pytest.raises(AddressUnattestedError, match="A did not attest"):
            call(Api(transport, PINS))


def test_pins_are_read_as_they_were_written(tmp_path: Path):
    path = tmp_path / "pins.toml"
    path.write_text(render_pins(PINS))
    assert read_pins(path) == PINS


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"A" =', '"A" = "00" #'),
        (f'"A" = "{PINS.identities["A"].hex()}"\n', ""),
        (PINS.identities["A"].hex(), PINS.identities["B"].hex()),
        ("mer_", "pay_"),
        ("[signers]", "[other]"),
        ("deployment", "more = 1\ndeployment"),
        ('"demo"', '""'),
        ('"demo"', "1"),
        ("=", ":"),
    ],
)
def test_pins_that_prove_too_little_are_refused(tmp_path: Path, before: str, after: str):
    path = tmp_path / "pins.toml"
    path.write_text(render_pins(PINS).replace(before, after))
    with pytest.raises(SettingsError, match=r"pins\.toml"):
        read_pins(path)
    with pytest.raises(SettingsError, match="cannot read"):
        read_pins(tmp_path / "absent")


@pytest.mark.parametrize(
    ("size", "path"), [(0, ""), (29, ""), (33, "M4 4h7v1h-7z"), (30, "M4 4h1v1h-1z"), (29, "M0 0h1v1h-1z")]
)
def test_what_is_no_qr_code_is_not_read(size: int, path: str):
    with pytest.raises(CheckoutError):
        read_path(size, path)
