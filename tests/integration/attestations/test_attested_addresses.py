"""The platform keeps both signers' word for every pooled address; a merchant's client shows no address without it."""

from __future__ import annotations

import dataclasses

import pytest

from strongroom_client.errors import AddressForgedError, AddressUnattestedError, ServerError
from strongroom_client.pins import Pins
from tests.integration.attestations.desk import IDENTITIES, Desk, Shop
from tests.unit.signer.kit import CHAIN, KEYS

pytestmark = pytest.mark.asyncio(loop_scope="module")
THIEFS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


async def invoice(shop: Shop, *, pinned: bool = True) -> dict[str, object]:
    return dict(await shop.ask(lambda api: api.create_invoice(amount="5.00", currency="EUR"), pinned=pinned))


async def again(shop: Shop, made: dict[str, object]) -> dict[str, object]:
    return dict(await shop.ask(lambda api: api.invoice(str(made["id"]))))


async def test_both_signers_attest_what_is_pooled_and_the_client_takes_it(desk: Desk):
    shop = await desk.shop("both")
    assert await desk.attest() > 0
    assert await desk.attest() == 0, "what is attested is asked for once"
    made = await invoice(shop)
    assert made["deployment"] == "test-deployment"
    assert made["merchant_id"] == shop.id
    words = made["attestations"]
    assert isinstance(words, list)
    assert [item["signer"] for item in words] == ["A", "B"]
    assert [item["identity"] for item in words] == [key.hex() for key in IDENTITIES.values()]
    standing = await shop.ask(lambda api: api.deposit_address(asset="BTC", reference="customer 1"))
    assert [item["key_set"] for item in standing["attestations"]] == ["cold", "cold"]
    assert (await shop.ask(lambda api: api.page("deposit-addresses")))["data"] == [standing]
    waiting = desk.execute(
        f"SELECT count(*) FROM wallet_address a WHERE merchant_id = '{shop.id}'"
        " AND (SELECT count(*) FROM attestation t WHERE t.address_id = a.id) <> 2"
    )
    assert waiting == [(0,)]


async def test_a_merchant_that_is_not_enrolled_yet_is_attested_once_it_is(desk: Desk):
    shop = await desk.shop("early", enrolled="")
    await desk.attest()
    made = await invoice(shop, pinned=False)
    assert made["attestations"] == []
    with pytest.raises(AddressUnattestedError, match="A and B did not attest") as refused:
        await again(shop, made)
    assert refused.value.code == "address-unattested"
    shop.enrol("A")
    await desk.attest()
    with pytest.raises(AddressUnattestedError, match="B did not attest"):
        await again(shop, made)
    shop.enrol("B")
    await desk.attest()
    assert (await again(shop, made))["address"] == made["address"]


async def test_a_signer_that_is_away_delays_nothing_and_attests_when_it_is_back(desk: Desk):
    _, second = desk.processes
    second.kill()
    try:
        shop = await desk.shop("away", enrolled="A")
        await desk.attest()
        made = await invoice(shop, pinned=False)
        assert [item["signer"] for item in made["attestations"]] == ["A"]  # type: ignore[attr-defined]
    finally:
        second.start()
    shop.enrol("B")
    for _ in range(10):
        await desk.attest()
    assert (await again(shop, made))["address"] == made["address"]


async def test_an_address_swapped_in_the_database_is_refused(desk: Desk):
    shop = await desk.shop("swapped")
    await desk.attest()
    made = await invoice(shop)
    desk.execute(f"UPDATE invoice SET address = '{THIEFS}' WHERE id = '{made['id']}'")
    with pytest.raises(AddressForgedError, match=THIEFS) as refused:
        await again(shop, made)
    assert refused.value.code == "address-forged"


async def test_an_address_attested_for_another_merchant_is_refused(desk: Desk):
    """The thief is a merchant here too, and both signers attest its own addresses."""
    shop, thief = await desk.shop("victim"), await desk.shop("thief")
    await desk.attest()
    made, thiefs = await invoice(shop), await invoice(thief)
    desk.execute(
        f"UPDATE invoice SET address = '{thiefs['address']}', address_id = '{thiefs['address_id']}x'"
        f" WHERE id = '{made['id']}'"
    )
    words = "SELECT '{0}x', signer, identity, key_set, index, signature FROM attestation WHERE address_id = '{0}'"
    desk.execute("ALTER TABLE attestation DROP CONSTRAINT attestation_address_id_fkey")
    desk.execute("INSERT INTO attestation " + words.format(thiefs["address_id"]))
    shown = await shop.ask(lambda api: api.invoice(str(made["id"])), pinned=False)
    assert [item["signer"] for item in shown["attestations"]] == ["A", "B"]
    with pytest.raises(AddressForgedError, match="is not this merchant's"):
        await again(shop, made)


async def test_a_word_by_another_key_than_the_pinned_one_is_refused(desk: Desk):
    shop = await desk.shop("keys")
    await desk.attest()
    made = await invoice(shop)
    others = Pins(shop.pins.deployment, shop.id, IDENTITIES | {"B": bytes(KEYS["R"].identity.verify_key)})
    with pytest.raises(AddressForgedError, match="another key for B"):
        await again(dataclasses.replace(shop, pins=others), made)


async def test_what_a_signer_derives_otherwise_is_never_handed_out(desk: Desk):
    shop = await desk.shop("disputed", enrolled="")
    branch = shop.seller.merchant.branch
    where = f"chain = '{CHAIN}' AND branch = {branch} AND kind = 'cold'"
    [(address_id, ours)] = desk.execute(f"SELECT id, address FROM wallet_address WHERE {where} AND index = 2")
    desk.execute(f"UPDATE wallet_address SET address = '{THIEFS}' WHERE id = '{address_id}'")
    shop.enrol("AB")
    await desk.attest()
    assert desk.execute(f"SELECT disputed_index FROM wallet_branch WHERE {where}") == [(2,)]
    disputes = desk.execute(f"SELECT signer, disputed, tag FROM attestation_branch WHERE {where} ORDER BY signer")
    assert disputes == [(name, ours, "address-disputed") for name in "AB"]
    handed_out = [await invoice(shop) for _ in range(2)]
    assert THIEFS not in [item["address"] for item in handed_out]
    with pytest.raises(ServerError) as refused:
        await invoice(shop)
    assert (refused.value.status, refused.value.code) == (503, "address-disputed")
    desk.execute(f"UPDATE wallet_address SET address = '{ours}' WHERE id = '{address_id}'")
    for _ in range(4):
        await desk.attest()
    assert desk.execute(f"SELECT disputed_index FROM wallet_branch WHERE {where}") == [(None,)]
    assert (await invoice(shop))["address"] == ours
