"""Two real signers that believe no balance that was not proven to them, on a real chain that is reorganised."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongroom_core.intents import PaymentIntent
from strongroom_core.proof_messages import BooksAre, BooksRequest, Proven, ProveTxsRequest, TxProof
from strongroom_signer.files import write_private
from tests.fixtures.bitcoin import MiningNode, NodeFactory
from tests.integration.signer.pairs import make_pair_folders
from tests.integration.signer.processes import SignerProcess, running
from tests.integration.signer.test_bitcoin_view import together, wait_until
from tests.integration.signer.test_on_the_chain import address_by_the_node, finalise, receive, sign_by
from tests.unit.signer.bitcoin_blocks import branch_of, read_block
from tests.unit.signer.kit import ASSET, CHAIN, MERCHANT, SATS, SHOP, Coin, Draft, intent, payout
from tests.unit.signer.pair_kit import pair_text

CONFIRMATIONS, HORIZON = 2, 4
FEE, MINER = 1_000, 5_000
Pair = tuple[SignerProcess, SignerProcess]


def policy() -> bytes:
    """No rule is off; the chain is followed from regtest's first block on."""
    text = pair_text(confirmations=CONFIRMATIONS, horizon=HORIZON, view_seconds=120).decode()
    lines = ["switched_off = []" if line.startswith("switched_off") else line for line in text.splitlines()]
    return "\n".join(lines).encode() + b"\n"


@pytest.fixture
def nodes(make_bitcoin_node: NodeFactory) -> tuple[MiningNode, MiningNode]:
    # Many blocks in a moment would have times ahead of every clock.
    first = make_bitcoin_node(prepare=False)
    first.rpc("setmocktime", int(time.time()) - 3_600)
    first.prepare()
    second = make_bitcoin_node(connect=(first,), prepare=False)
    together(first, second)
    return first, second


@pytest.fixture
def pair(root: Path, nodes: tuple[MiningNode, MiningNode]) -> Iterator[Pair]:
    folders = make_pair_folders(root, policy=policy())
    for folder in folders.values():
        links = (folder.root / "links.toml").read_text()
        for number, node in enumerate(nodes):
            shutil.copy(node.cookie_file, folder.root / f"cookie-{number}")
            (folder.root / f"cookie-{number}").chmod(0o600)
        cookies = ", ".join(
            f'{{ url = "http://127.0.0.1:{node.rpc_port}", cookie_file = "{folder.root}/cookie-{number}" }}'
            for number, node in enumerate(nodes)
        )
        links += f'[nodes."{CHAIN}"]\ncookie_files = [{cookies}]\n'
        write_private(folder.root / "links.toml", links.encode(), replace=True)
    with running(folders["A"]) as first, running(folders["B"]) as second:
        yield first, second


def proof_of(node: MiningNode, raw: bytes, txid: str, place: tuple[int, str, int, int]) -> TxProof:
    """The proof as anybody can make it from a block; the block that holds the chain tx is found by its node."""
    block = node.rpc("gettransaction", txid, wallet="miner")["blockhash"]
    found = read_block(bytes.fromhex(node.rpc("getblock", block, 0)))
    at = [leaf[::-1].hex() for leaf in found.txids].index(txid)
    height = node.rpc("getblockheader", block)["height"]
    return TxProof(raw, bytes.fromhex(block)[::-1], height, at, branch_of(found.txids, at), *place)


def prove(signer: SignerProcess, node: MiningNode, coin: Coin) -> str:
    return shown(signer, proof_of(node, coin.previous, coin.txid, (coin.index, "hot", coin.branch, coin.place)))


def shown(signer: SignerProcess, proof: TxProof) -> str:
    answer = signer.ask(ProveTxsRequest("req", CHAIN, (proof,)))
    # Signers that start one after the other ask each other again after a moment.
    return answer.results[0].tag if isinstance(answer, Proven) else getattr(answer, "tag", answer.kind)


def balance(signer: SignerProcess, holder: str = str(MERCHANT)) -> int:
    answer = signer.ask(BooksRequest("req", "", "", 100))
    assert isinstance(answer, BooksAre)
    return next((int(item.amount) for item in answer.balances if (item.holder, item.asset) == (holder, ASSET)), 0)


def wait_for_proofs(signer: SignerProcess, node: MiningNode, *coins: Coin) -> None:
    wait_until(lambda: not any(prove(signer, node, coin) for coin in coins))


def wait_for_refusal(signer: SignerProcess, proof: TxProof, tag: str) -> None:
    wait_until(lambda: shown(signer, proof) == tag)


def wait_for_tag(signer: SignerProcess, draft: Draft, tag: str) -> None:
    wait_until(lambda: signer.tag(draft.request()) == tag)


def wait_for_both(pair: Pair, draft: Draft) -> None:
    for signer in pair:
        wait_for_tag(signer, draft, "signed")


def wait_for_balance(signer: SignerProcess, amount: int) -> None:
    wait_until(lambda: balance(signer) == amount)


def payment(amount: int, **changes: Any) -> PaymentIntent:
    return intent(amount=amount, expires_at=int(time.time()) + 3_600, **changes)


def test_signers_pay_what_was_proven_and_freeze_whoever_spent_what_left_the_chain(
    pair: Pair, nodes: tuple[MiningNode, MiningNode]
):
    node, _ = nodes
    house, hot = receive(node, 1, 0, SATS), receive(node, 2, 0, 2 * SATS)
    node.mine(HORIZON)
    together(*nodes)
    draft = payout(payment(SATS), coins=(hot,), fee=MINER)
    for signer in pair:
        wait_for_tag(signer, draft, "coin-unproven")
        wait_for_proofs(signer, node, house, hot)
        assert (balance(signer), balance(signer, "house")) == (2 * SATS, SATS)
    wait_for_both(pair, draft)
    raw, final = finalise(*(sign_by(signer, draft) for signer in pair))
    assert final
    paid = node.rpc("sendrawtransaction", raw)
    node.mine(1)
    assert node.rpc("gettxout", paid, 0)["scriptPubKey"]["address"] == SHOP
    for signer in pair:
        assert balance(signer) == SATS - FEE
        assert balance(signer, "house") == SATS + FEE - MINER
    shallow = receive(node, 2, 1, SATS)
    node.mine(CONFIRMATIONS)
    together(*nodes)
    for signer in pair:
        wait_for_proofs(signer, node, shallow)
    spend = payout(payment(SATS // 2 + SATS // 4), coins=(rest_of(draft, SATS - MINER),), fee=MINER)
    wait_for_both(pair, spend)
    more = payout(payment(SATS // 2), coins=(rest_of(spend, SATS // 4 - 2 * MINER), house), fee=MINER)
    wait_for_both(pair, more)

    gone = proof_of(node, shallow.previous, shallow.txid, (shallow.index, "hot", shallow.branch, shallow.place))
    node.reorganise(CONFIRMATIONS + 1, keep_mempool=False)
    together(*nodes)
    left = SATS - FEE - (SATS // 2 + SATS // 4 + FEE) - (SATS // 2 + FEE)
    assert left < 0
    for signer in pair:
        wait_for_balance(signer, left)
    last = payout(payment(600), coins=(house,), fee=MINER)
    for signer in pair:
        wait_for_tag(signer, last, "merchant-frozen")
        wait_for_refusal(signer, gone, "proof-block")

    node.mine(CONFIRMATIONS + 1)
    together(*nodes)
    for signer in pair:
        wait_for_proofs(signer, node, shallow)
        assert balance(signer) == left + SATS


def rest_of(draft: Draft, amount: int) -> Coin:
    """The change of one of our own chain txs."""
    tx = draft.tx
    return Coin(bytes(tx.serialize()), tx.txid().hex(), 1, amount, 0, 0)


def test_addresses_that_the_node_derives_are_the_ones_that_are_proven(pair: Pair, nodes: tuple[MiningNode, MiningNode]):
    node, _ = nodes
    coin = receive(node, 3, 5, SATS)
    assert address_by_the_node(node, "hot", 3, 5)
    node.mine(CONFIRMATIONS)
    together(*nodes)
    wrong = Coin(coin.previous, coin.txid, coin.index, coin.amount, 2, 5)
    wait_until(lambda: prove(pair[0], node, wrong) == "proof-place")
    wait_until(lambda: prove(pair[0], node, coin) == "")
