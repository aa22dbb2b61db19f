"""Two real signers and a real node: together their signatures make a chain tx that the node takes; alone they do not.

The node derives our addresses from descriptors; libwally combines and finalises: both independent of the signer.
"""

from __future__ import annotations

import time

import wallycore
from embit.script import Script
from embit.transaction import Transaction

from strongroom_core.messages import Signed
from tests.fixtures.bitcoin import MiningNode
from tests.integration.signer.processes import SignerProcess
from tests.unit.signer.kit import COLD, HOT, SATS, SHOP, Coin, Draft, account, change, intent, payout

NAMES = {"hot": ("A", "B", "R"), "cold": ("C1", "C2", "C3")}


def address_by_the_node(node: MiningNode, key_set: str, branch: int, index: int) -> str:
    keys = ",".join(f"{account(name)}/{branch}/*" for name in NAMES[key_set])
    descriptor = node.rpc("getdescriptorinfo", f"wsh(sortedmulti(2,{keys}))")["descriptor"]
    return str(node.rpc("deriveaddresses", descriptor, [index, index])[0])


def receive(node: MiningNode, branch: int, index: int, amount: int) -> Coin:
    """A confirmed coin of ours, paid by the node to the address that it derived itself."""
    txid = node.pay(address_by_the_node(node, "hot", branch, index), amount)
    raw = bytes.fromhex(node.rpc("gettransaction", txid, wallet="miner")["hex"])
    node.mine(1)
    script = Script(HOT.script(branch, index))
    output = next(at for at, item in enumerate(Transaction.parse(raw).vout) if item.script_pubkey == script)
    return Coin(raw, txid, output, amount, branch, index)


def sign_by(signer: SignerProcess, draft: Draft) -> bytes:
    answer = signer.ask(draft.request())
    assert isinstance(answer, Signed), answer
    return answer.psbt


def finalise(*parts: bytes) -> tuple[str, bool]:
    """Combine and finalise with libwally; the raw chain tx and whether every input is final."""
    whole = wallycore.psbt_from_bytes(parts[0], 0)
    for part in parts[1:]:
        wallycore.psbt_combine(whole, wallycore.psbt_from_bytes(part, 0))
    wallycore.psbt_finalize(whole, 0)
    final = bool(wallycore.psbt_is_finalized(whole))
    if not final:
        return "", False
    raw = wallycore.tx_to_bytes(wallycore.psbt_extract(whole, 0), wallycore.WALLY_TX_FLAG_USE_WITNESS)
    return raw.hex(), True


def test_the_node_derives_the_same_addresses(fresh_bitcoin_node: MiningNode):
    node = fresh_bitcoin_node
    for name, key_set in (("hot", HOT), ("cold", COLD)):
        for branch, index in ((0, 0), (1, 5), (2, 0), (77, 999), (2**31 - 1, 2**31 - 1)):
            address = address_by_the_node(node, name, branch, index)
            script = node.rpc("validateaddress", address)["scriptPubKey"]
            assert script == key_set.script(branch, index).hex()


def test_two_signers_pay_and_replace_and_the_node_takes_it(
    signers: tuple[SignerProcess, SignerProcess], fresh_bitcoin_node: MiningNode
):
    node = fresh_bitcoin_node
    coins = (receive(node, 2, 0, 2 * SATS), receive(node, 0, 3, SATS))
    payment = intent(expires_at=int(time.time()) + 3_600, amount=SATS + 1)
    draft = payout(payment, coins=coins[:1])
    replacement = payout(payment, coins=coins, fee=20_000)

    raw, final = finalise(*(sign_by(signer, draft) for signer in signers))
    assert final
    assert node.rpc("testmempoolaccept", [raw])[0]["allowed"]
    assert node.rpc("sendrawtransaction", raw) == draft.tx.txid().hex()

    higher, final = finalise(*(sign_by(signer, replacement) for signer in signers))
    assert final
    txid = node.rpc("sendrawtransaction", higher)
    node.mine(1)
    paid = node.rpc("scantxoutset", "start", [f"addr({SHOP})"])
    assert [(item["txid"], int(item["amount"] * SATS)) for item in paid["unspents"]] == [(txid, SATS + 1)]


def test_a_sweep_reaches_the_cold_address_that_the_node_derives(
    signers: tuple[SignerProcess, SignerProcess], fresh_bitcoin_node: MiningNode
):
    node = fresh_bitcoin_node
    coins = tuple(receive(node, 2, index, SATS) for index in range(3))
    draft = Draft(coins, (change(3 * SATS - 4_000, 5, key_set=COLD),))
    raw, final = finalise(*(sign_by(signer, draft) for signer in signers))
    assert final
    node.rpc("sendrawtransaction", raw)
    node.mine(1)
    found = node.rpc("scantxoutset", "start", [f"addr({address_by_the_node(node, 'cold', 0, 5)})"])
    assert int(found["total_amount"] * SATS) == 3 * SATS - 4_000


def test_one_signer_alone_cannot_make_a_final_chain_tx(
    signers: tuple[SignerProcess, SignerProcess], fresh_bitcoin_node: MiningNode
):
    node = fresh_bitcoin_node
    first, second = signers
    draft = payout(intent(expires_at=int(time.time()) + 3_600), coins=(receive(node, 2, 0, 2 * SATS),))
    second.kill()
    half = sign_by(first, draft)
    assert finalise(half) == ("", False)
    assert finalise(half, sign_by(first, draft)) == ("", False)
    # The one signature in both places: the script wants two keys, and the node knows it.
    second.start()
    raw, final = finalise(half, sign_by(second, draft))
    assert final
    tx = Transaction.parse(bytes.fromhex(raw))
    items = tx.vin[0].witness.items
    tx.vin[0].witness.items = [items[0], items[1], items[1], items[3]]
    assert not node.rpc("testmempoolaccept", [tx.serialize().hex()])[0]["allowed"]
    assert node.rpc("testmempoolaccept", [raw])[0]["allowed"]


def test_fee_and_size_are_what_the_node_counts(
    signers: tuple[SignerProcess, SignerProcess], fresh_bitcoin_node: MiningNode
):
    node = fresh_bitcoin_node
    coins = tuple(receive(node, 2, index, SATS) for index in range(4))
    draft = payout(intent(expires_at=int(time.time()) + 3_600), coins=coins, fee=7_777)
    raw, _ = finalise(*(sign_by(signer, draft) for signer in signers))
    counted = node.rpc("testmempoolaccept", [raw])[0]
    assert int(counted["fees"]["base"] * SATS) == 7_777
    base = len(draft.tx.serialize())
    bound = -(-(base * 4 + 2 + 4 * 254) // 4)
    assert bound - 4 <= counted["vsize"] <= bound
