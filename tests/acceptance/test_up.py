"""`strongroom up` over its whole life: interrupted, completed, halted, crashed, stopped, killed, found as it was."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from strongroom_client.api import Api
from strongroom_client.transport import Transport
from tests.acceptance.devnet import balance, rpc, safe_nonce, safes, token, transfer_topics
from tests.acceptance.program import MERCHANT, SECONDS, SIGNER, STRONGROOM, Up, processes_of, run, wait_until

READY = "Up after"
REST = 3  # so many looks in a row find the same
AFTER_SIGNING = {"signed", "broadcast", "confirmed", "final"}


@contextlib.contextmanager
def up(folder: Path) -> Iterator[Up]:
    program = Up(folder)
    try:
        yield program
    finally:
        program.end()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_environment_over_its_whole_life(
    scratch: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    folder = scratch / "up"
    keys = interrupted_during_set_up(folder)
    before, first_start = completed_halted_and_mended(folder, keys)
    second_start = found_as_it_was(folder, before)
    # Nothing is set up again: 3 s instead of half a minute on a machine of one's own, where `make bench` measures it.
    assert second_start < first_start
    record_testsuite_property("seconds to ready of a second start", second_start)


def interrupted_during_set_up(folder: Path) -> dict[str, str]:
    with up(folder) as first:
        first.wait_for("Six keys are made")
        assert first.interrupt() == 0
        assert processes_of(folder) == []
    return dict(first.facts()["accounts"])


def completed_halted_and_mended(folder: Path, keys: dict[str, str]) -> tuple[dict[str, Any], float]:
    start = time.monotonic()
    with up(folder) as second:
        second.wait_for(READY)
        seconds = time.monotonic() - start
        assert second.facts()["accounts"] == keys
        nobody_else_can_read(folder)
        secrets_are_in_files_only(folder)
        refused = run(*STRONGROOM, "up", "--dir", str(folder))
        assert (refused.returncode, "environment-busy" in refused.stderr) == (1, True)
        signing_halts_and_a_hand_resumes_it(second)
        a_token_is_made_shown_and_revoked(second)
        a_crashed_process_comes_back(second)
        the_node_counts_what_was_paid_in_tokens(second)
        a_token_invoice_is_paid_by_hand(second)
        assert second.ask("reconcile")["clean"] is True
        before = settled(second)
        answer = run(*STRONGROOM, "down", "--dir", str(folder))
        assert answer.returncode == 0, answer.stderr
        assert second.process.wait(SECONDS) == 0
        assert processes_of(folder) == []
        ports = json.loads((folder / "environment.json").read_text())["ports"].values()
        assert not any(is_open(port) for port in ports)
    return before, seconds


def found_as_it_was(folder: Path, before: dict[str, Any]) -> float:
    start = time.monotonic()
    with up(folder) as third:
        third.wait_for(READY)
        seconds = time.monotonic() - start
        assert not third.said("The shopper pays")
        the_node_counts_what_was_paid_in_tokens(third)
        after = state_of(third)
        assert {name: value for name, value in after.items() if value != before[name]} == {}
        assert third.ask("reconcile")["clean"] is True
        third.process.kill()
        third.process.wait(SECONDS)
        wait_until(lambda: processes_of(folder) == [], "nothing left of a killed `up`")
    return seconds


def state_of(running: Up) -> dict[str, Any]:
    """All that has to be the same after a stop and a start: books, coins, what the merchant sees, journals' heads."""
    facts, merchant = running.facts(), running.facts()["merchant"]
    status = running.ask("status", "--dir", str(running.folder))
    with Transport(api_url(running), (running.folder / "merchant" / "token").read_text().strip()) as transport:
        lists = ("invoices", "payouts", "deposits", "deposit-addresses", "balances", "webhook-endpoints")
        seen = {name: transport.get(f"/v1/{name}")["data"] for name in lists}
    assert {facts["payout"], facts["usdc_payout"]} <= {item["id"] for item in seen["payouts"]}
    assert {facts["invoice"], facts["usdt_invoice"], facts["open_invoice"]} <= {item["id"] for item in seen["invoices"]}
    house = {name: status[name] for name in ("chains", "stops", "balances", "coins", "safes", "signers")}
    return {"facts": facts, **seen, **house, "merchants": running.ask("merchant", "tokens", merchant), **heads(running)}


def heads(running: Up) -> dict[str, Any]:
    """The last row of each signer's journal, read from its own file."""
    found = {}
    for name in ("a", "b"):
        file = running.folder / "signers" / name / "signer" / "journal.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT number, hex(hash) FROM rows ORDER BY number DESC LIMIT 1").fetchone()
        found[f"journal of {name}"] = row
    return found


def settled(running: Up) -> dict[str, Any]:
    """The state once nothing is on its way any more: every payout final, every deposit credited, no block to come."""
    states = [state_of(running)]

    def at_rest() -> bool:
        time.sleep(3)  # longer than the demonstration's node waits between two blocks
        states.append(state_of(running))
        paid = {item["status"] for item in states[-1]["payouts"]} == {"final"}
        credited = {item["state"] for item in states[-1]["deposits"]} == {"credited"}
        return paid and credited and len(states) > REST and all(state == states[-1] for state in states[-REST:])

    wait_until(at_rest, "nothing is on its way any more")
    return states[-1]


def signing_halts_and_a_hand_resumes_it(running: Up) -> None:
    folder = ("--dir", str(running.folder))
    halted = run(*STRONGROOM, "halt", "a test", *folder)
    assert (halted.returncode, "strongroom-signer resume" in halted.stdout) == (0, True), halted.stderr
    assert signer_states(running) == ["halted", "halted"]
    assert "payouts-stopped" in hand_in(running, sign(running)).stderr
    # The platform alone can lift its own stop, and no signer's.
    assert run(*STRONGROOM, "resume", "a test", *folder).returncode == 1
    signed = sign(running)
    assert hand_in(running, signed).returncode == 0
    rows = [row["rows"] for row in running.ask("status", *folder)["signers"]]
    time.sleep(3)
    assert payout_status(running, signed) in {"queued", "planned"}
    for name in ("a", "b"):
        holder = running.folder / "signers" / name
        answer = run(*SIGNER, "resume", "--dir", str(holder / "signer"), secret=holder / "passphrase")
        assert answer.returncode == 0, answer.stderr
    assert signer_states(running) == ["ok", "ok"]
    wait_until(lambda: payout_status(running, signed) in AFTER_SIGNING, "the payout signed after the halt")
    after = [row["rows"] for row in running.ask("status", *folder)["signers"]]
    assert all(later > earlier for later, earlier in zip(after, rows, strict=True))
    one_request_is_followed_from_the_api_to_both_signers(running, signed.stem)


def one_request_is_followed_from_the_api_to_both_signers(running: Up, payout: str) -> None:
    def log_of(process: str) -> str:
        return (running.folder / "log" / f"{process}.log").read_text()

    taken = next(json.loads(row) for row in log_of("api").splitlines() if "payout taken" in row and payout in row)
    assert taken["request_id"].startswith("req_")
    for process in ("worker", "treasury", "signer-a", "signer-b"):
        there = functools.partial(lambda name: taken["request_id"] in log_of(name), process)
        wait_until(there, f"the request in the log of {process}")


def a_token_is_made_shown_and_revoked(running: Up) -> None:
    merchant, file = running.facts()["merchant"], running.folder.with_suffix(".token")
    made = running.ask("merchant", "token", merchant, "--file", str(file), "--scope", "read")
    assert (made["scopes"], stat.S_IMODE(file.stat().st_mode)) == (["read"], 0o600)
    asking = (*MERCHANT, "balance", "--api", api_url(running), "--token-file", str(file))
    assert run(*asking).returncode == 0
    assert run(*STRONGROOM, "merchant", "revoke", merchant, made["id"], *running.config()).returncode == 0
    shown = {row["id"]: row["revoked_at"] for row in running.ask("merchant", "tokens", merchant)}
    assert (len(shown), [token for token, at in shown.items() if at]) == (2, [made["id"]])
    wait_until(lambda: "token-invalid" in run(*asking).stderr, "the revoked token is refused")


def a_crashed_process_comes_back(running: Up) -> None:
    record = running.folder / "run" / "treasury.json"
    before = json.loads(record.read_text())["pid"]
    os.kill(before, signal.SIGKILL)
    running.wait_for("treasury runs again")
    assert json.loads(record.read_text())["pid"] != before


def the_node_counts_what_was_paid_in_tokens(running: Up) -> None:
    """Asked of the node itself, by calls that are spelled out here."""
    facts = running.facts()
    supplier, safe = facts["supplier"], safes(running)["hot_safe"]
    assert balance(running, "USDC", supplier) == 25_000_000
    assert balance(running, "USDT", supplier) == 0
    assert safe_nonce(running, safe) == 1
    receipt = rpc(running, "eth_getTransactionReceipt", facts["usdc_payout_txid"])
    assert receipt["status"] == "0x1"
    ends = transfer_topics(safe, supplier)
    assert [int(log["data"], 16) for log in receipt["logs"] if log["topics"] == ends] == [25_000_000]
    for forwarder in (facts["house_forwarder"], facts["usdt_address"], facts["usdc_address"]):
        assert [balance(running, code, forwarder) for code in ("USDT", "USDC")] == [0, 0]
        assert int(rpc(running, "eth_getBalance", forwarder, "latest"), 16) == 0
    paid = rpc(running, "eth_getTransactionReceipt", facts["usdt_payment"])
    sender = rpc(running, "eth_getTransactionByHash", facts["usdt_payment"])["from"]
    assert sender not in {account.lower() for account in rpc(running, "eth_accounts")}  # a key that no node holds
    assert [log["topics"] for log in paid["logs"]] == [transfer_topics(sender, facts["usdt_address"])]


def a_token_invoice_is_paid_by_hand(running: Up) -> None:
    cold, before = safes(running)["cold_safe"], running.facts()
    start = balance(running, "USDT", cold)
    with Transport(api_url(running), (running.folder / "merchant" / "token").read_text().strip()) as transport:
        api = Api(transport)
        invoice = api.create_invoice(amount="40.00", currency="USD", asset=token(running, "USDT"))
        due = int(Decimal(invoice["amount_due"]).scaleb(6))
        answer = run(*STRONGROOM, "demo-pay", invoice["checkout_url"], "--dir", str(running.folder))
        assert answer.returncode == 0, answer.stderr
        wait_until(lambda: api.invoice(invoice["id"])["status"] == "paid", "the token invoice paid by hand")
        wait_until(lambda: balance(running, "USDT", invoice["address"]) == 0, "its forwarder gathered")
    assert balance(running, "USDT", cold) == start + due
    assert running.facts() == before


def sign(running: Up) -> Path:
    """Sign a payout to where the first one went; the merchant's own side."""
    facts, merchant = running.facts(), running.folder / "merchant"
    deployment = json.loads((running.folder / "environment.json").read_text())["deployment"]
    chain = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"
    answer = run(
        *(*MERCHANT, "payout", "sign", "--key", str(merchant / "key.json"), "--deployment", deployment),
        *("--merchant", facts["merchant"], "--asset", "BTC", "--chain", chain, "--amount", "0.0001"),
        *("--to", facts["destination"], "--fee-ceiling", "0.00001"),
        secret=merchant / "passphrase",
    )
    assert answer.returncode == 0, answer.stderr
    file = merchant / f"{json.loads(answer.stdout)['payout']}.json"
    file.write_text(answer.stdout)
    return file


def hand_in(running: Up, signed: Path):
    where = ("--api", api_url(running), "--token-file", str(running.folder / "merchant" / "token"))
    return run(*MERCHANT, "payout", "send", *where, str(signed))


def api_url(running: Up) -> str:
    port = json.loads((running.folder / "environment.json").read_text())["ports"]["api"]
    return f"http://127.0.0.1:{port}"


def payout_status(running: Up, signed: Path) -> str:
    token = (running.folder / "merchant" / "token").read_text().strip()
    with Transport(api_url(running), token) as transport:
        return Api(transport).payout(signed.stem)["status"]


def signer_states(running: Up) -> list[str]:
    return [row["state"] for row in running.ask("status", "--dir", str(running.folder))["signers"]]


def nobody_else_can_read(folder: Path) -> None:
    """Outside PostgreSQL's own folder, which its own user keeps closed."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = (*folder.glob("**/passphrase"), *folder.glob("**/key.json"), *folder.glob("*/*.key"))
    for secret in (*kept, folder / "merchant" / "token"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret


def secrets_are_in_files_only(folder: Path) -> None:
    """Not in any process's arguments or environment."""
    files = [*folder.glob("**/passphrase"), *folder.glob("*/*.key")]
    files += [folder / "merchant" / "token", folder / "merchant" / "webhook-secret"]
    secrets = [file.read_bytes().strip() for file in files]
    assert len(secrets) == 14  # eight passphrases, four Ethereum keys, a token, a webhooks' secret
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            assert not any(secret in shown for secret in secrets)
    for log in (folder / "log").iterdir():
        assert not any(secret in log.read_bytes() for secret in secrets), log


def is_open(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
