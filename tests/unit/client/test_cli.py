"""The command line, run as a program of its own where secrets or exit codes are concerned."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from strongroom_client import cli, keys
from strongroom_client.commands import describe, find_asset
from strongroom_client.errors import SettingsError
from strongroom_client.signing import signed_from_json, verify_intent
from strongroom_core.assets import (
    BITCOIN_REGTEST,
    BTC,
    LTC,
    POL,
    POLYGON_USDT,
    REGTEST_BTC,
    AmbiguousAssetError,
    UnknownAssetError,
    UnknownChainError,
)
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import PaymentIntent
from tests.unit.client.scripted_server import Answer, ScriptedServer

MERCHANT = "mer_01jd0000000000000000000000"
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "merchant.key"
    keys.create_key_file(path, None)
    return path


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("srk_tok_secret\n")
    path.chmod(0o600)
    return path


def sign_args(file: Path, /, **changes: str) -> list[str]:
    options = {
        "key": str(file),
        "deployment": "demo",
        "merchant": MERCHANT,
        "asset": "BTC",
        "chain": BITCOIN_REGTEST.id,
        "amount": "0.0015",
        "to": ADDRESS,
        "fee-ceiling": "0.00005",
    }
    return ["payout", "sign", *(f"--{name}={value}" for name, value in (options | changes).items())]


def online(server: ScriptedServer, token: Path) -> list[str]:
    return ["--api", server.url, "--token-file", str(token)]


def failure(capsys: Captured, *argv: str) -> str:
    assert cli.main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


def program(*argv: str, secret: bytes | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run it as a process, with ``secret`` on file descriptor N in place of ``{fd}``."""
    reading, writing = os.pipe()
    os.write(writing, secret or b"")
    os.close(writing)
    try:
        command = [sys.executable, "-m", "strongroom_client.cli", *(part.format(fd=reading) for part in argv)]
        return subprocess.run(
            command,
            pass_fds=[reading],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
            **options,
        )
    finally:
        os.close(reading)


def test_a_new_key_prints_its_public_half_only(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "a.key"
    assert cli.main(["keys", "new", "--no-passphrase", str(path)]) == 0
    out, err = capsys.readouterr()
    assert bytes.fromhex(out.strip()) == keys.read_public_key(path)
    assert keys.load_key(path).seed().hex() not in out + err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cli.main(["keys", "show", str(path)]) == 0
    assert capsys.readouterr().out == out


def test_a_key_is_never_overwritten(key: Path, capsys: Captured) -> None:
    before = key.read_bytes()
    assert "key-file-exists" in failure(capsys, "keys", "new", "--no-passphrase", str(key))
    assert key.read_bytes() == before


def test_a_key_is_made_and_used_with_a_passphrase_from_a_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    made = program("keys", "new", "--passphrase-fd", "{fd}", str(path), secret=b"correct horse\n")
    assert made.returncode == 0, made.stderr
    assert keys.is_encrypted(path)
    signed = program(*sign_args(path), "--passphrase-fd", "{fd}", secret=b"correct horse\n")
    assert signed.returncode == 0, signed.stderr
    verify_intent(signed_from_json(json.loads(signed.stdout)), bytes.fromhex(made.stdout.decode().strip()))
    wrong = program(*sign_args(path), "--passphrase-fd", "{fd}", secret=b"wrong\n")
    assert (wrong.returncode, wrong.stdout) == (1, b"")
    assert b"passphrase-wrong" in wrong.stderr
    silent = program(*sign_args(path))
    assert (silent.returncode, silent.stdout) == (1, b"")
    assert b"no terminal" in silent.stderr


def test_no_key_is_made_where_nobody_can_type_a_passphrase(tmp_path: Path) -> None:
    made = program("keys", "new", str(tmp_path / "a.key"))
    assert made.returncode == 1
    assert b"secret-unreadable" in made.stderr
    assert not (tmp_path / "a.key").exists()


def test_a_payment_is_signed_exactly_as_asked(key: Path, capsys: Captured) -> None:
    payout = PayoutId.new()
    assert cli.main([*sign_args(key), "--tag", "7", "--payout-id", payout, "--expires-in", "600"]) == 0
    out, err = capsys.readouterr()
    body = json.loads(out)
    intent = verify_intent(signed_from_json(body), keys.read_public_key(key))
    assert body["payout"] == intent.payout == payout
    assert (intent.asset, intent.amount, intent.fee_ceiling) == (REGTEST_BTC.id, 150_000, 5_000)
    assert (intent.destination, intent.tag, intent.merchant, intent.deployment) == (ADDRESS, "7", MERCHANT, "demo")
    for word in ("0.00150000 BTC", "Bitcoin regtest", ADDRESS, "tag 7", "0.00005000 BTC", payout, "demo"):
        assert word in err
    assert describe(intent) in err


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "1e3"}, "amount-invalid"),
        ({"amount": "-1"}, "amount-invalid"),
        ({"amount": "0"}, "intent-malformed"),
        ({"fee-ceiling": "0.000000001"}, "amount-invalid"),
        ({"merchant": "mer_1"}, "id-invalid"),
        ({"payout-id": "inv_1"}, "id-invalid"),
        ({"to": "two words"}, "intent-malformed"),
        ({"asset": "DOGE"}, "asset-unknown"),
        ({"asset": "EUR"}, "client-settings"),
        ({"chain": "bip122:00"}, "chain-unknown"),
        ({"key": "/nowhere/merchant.key"}, "key-file"),
    ],
)
def test_a_payment_that_is_wrong_is_not_signed(key: Path, capsys: Captured, changes: dict[str, str], code: str) -> None:
    assert f"{code}:" in failure(capsys, *sign_args(key, **changes))


@pytest.mark.parametrize("name", ["from-file", "from-stdin"])
def test_a_signed_payment_is_sent_and_shown(
    server: ScriptedServer, key: Path, token: Path, tmp_path: Path, capsys: Captured, name: str
) -> None:
    assert cli.main(sign_args(key)) == 0
    signed = capsys.readouterr().out
    body = json.loads(signed)
    server.answer(Answer(201, {"id": body["payout"], "destination": ADDRESS, "status": "queued"}))
    path = tmp_path / "signed.json"
    path.write_text(signed)
    argv = ["payout", "send", *online(server, token), "--kind", "withdrawal"]
    if name == "from-file":
        assert cli.main([*argv, str(path)]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == "queued"
    else:
        with path.open("rb") as stdin:
            command = [sys.executable, "-m", "strongroom_client.cli", *argv, "-"]
            sent = subprocess.run(command, stdin=stdin, capture_output=True, timeout=60, check=True)
        assert json.loads(sent.stdout)["status"] == "queued"
    [asked] = server.asked
    assert asked.headers["authorization"] == "Bearer srk_tok_secret"
    assert asked.body == {name: body[name] for name in ("intent", "public_key", "signature")} | {"kind": "withdrawal"}


def test_a_damaged_signed_payment_is_not_sent(
    server: ScriptedServer, key: Path, token: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert cli.main(sign_args(key)) == 0
    body = json.loads(capsys.readouterr().out)
    path = tmp_path / "signed.json"
    argv = ["payout", "send", *online(server, token), str(path)]
    for text in ("", "{", "[]", json.dumps(body | {"signature": "00" * 64}), json.dumps(body | {"intent": "00"})):
        path.write_text(text)
        failure(capsys, *argv)
    path.unlink()
    assert "No such file" in failure(capsys, *argv)
    assert not server.asked


def test_reading_commands_print_what_the_api_says(server: ScriptedServer, token: Path, capsys: Captured) -> None:
    payout = str(PayoutId.new())
    for argv, path in (
        (["payout", "get", payout], f"/v1/payouts/{payout}"),
        (["invoice", "get", "inv_1"], "/v1/invoices/inv_1"),
    ):
        server.answer(Answer(200, {"id": argv[-1], "note": "Grüße"}))
        assert cli.main([*argv, *online(server, token)]) == 0
        assert json.loads(capsys.readouterr().out) == {"id": argv[-1], "note": "Grüße"}
        assert server.asked[-1].path == path
    server.answer(Answer(200, {"data": [{"code": "BTC", "available": "1.00000000"}]}))
    assert cli.main(["balance", *online(server, token)]) == 0
    assert json.loads(capsys.readouterr().out) == [{"code": "BTC", "available": "1.00000000"}]


def test_an_invoice_is_made(server: ScriptedServer, token: Path, capsys: Captured) -> None:
    server.answer(Answer(201, {"id": "inv_1", "checkout_url": "http://127.0.0.1/i/inv_1"}))
    options = ["--amount", "12.50", "--currency", "EUR", "--asset", "BTC", "--reference", "17", "--expires-in", "900"]
    argv = ["invoice", "create", *options, "--description", "Tea", "--idempotency-key", "17", *online(server, token)]
    assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "inv_1"
    fields = {"amount": "12.50", "currency": "EUR", "asset": "BTC", "reference": "17", "expires_in_seconds": 900}
    assert server.asked[0].body == fields | {"description": "Tea"}
    assert server.asked[0].headers["idempotency-key"] == "17"


def test_a_refusal_of_the_api_is_one_line_with_its_code(server: ScriptedServer, token: Path, capsys: Captured) -> None:
    server.answer(Answer(404, {"code": "invoice-unknown", "detail": "no such invoice"}, {"X-Request-Id": "req_9"}))
    err = failure(capsys, "invoice", "get", "inv_1", *online(server, token))
    assert err == "strongroom-merchant: invoice-unknown: no such invoice (request req_9)\n"


def test_the_token_comes_from_a_descriptor_too(server: ScriptedServer) -> None:
    server.answer(Answer(200, {"data": []}))
    done = program("balance", "--api", server.url, "--token-fd", "{fd}", secret=b"from-a-pipe\n")
    assert done.returncode == 0, done.stderr
    assert server.asked[0].headers["authorization"] == "Bearer from-a-pipe"


def test_the_address_may_come_from_the_environment(
    server: ScriptedServer, token: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.delenv("STRONGROOM_API", raising=False)
    assert "client-settings" in failure(capsys, "balance", "--token-file", str(token))
    monkeypatch.setenv("STRONGROOM_API", server.url)
    server.answer(Answer(200, {"data": []}))
    assert cli.main(["balance", "--token-file", str(token)]) == 0


def test_a_token_file_that_others_may_read_is_refused(server: ScriptedServer, token: Path, capsys: Captured) -> None:
    token.chmod(0o644)
    assert "chmod 600" in failure(capsys, "balance", *online(server, token))
    assert not server.asked


def test_a_token_in_the_clear_is_refused(token: Path, capsys: Captured) -> None:
    err = failure(capsys, "balance", "--api", "http://shop.example", "--token-file", str(token))
    assert "https" in err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["keys"],
        ["keys", "new"],
        ["payout", "sign"],
        ["payout", "send", "--kind", "gift", "x"],
        ["nonsense"],
        ["balance", "--token", "secret"],
        ["balance", "--token-fd", "x"],
        ["keys", "new", "--passphrase", "p", "f"],
        ["invoice", "create", "--amount", "1", "--currency", "EUR", "--expires-in", "0"],
    ],
)
def test_wrong_usage_ends_with_2(argv: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert "usage: strongroom-merchant" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_traceback(key: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "strongroom_client.cli", "keys", "show", str(key)]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b""


def test_an_asset_is_found_by_code_or_full_name() -> None:
    assert find_asset("BTC", None) is BTC
    assert find_asset("LTC", None) is LTC
    assert find_asset("BTC", BITCOIN_REGTEST.id) is REGTEST_BTC
    assert find_asset(REGTEST_BTC.id, None) is REGTEST_BTC
    with pytest.raises(UnknownAssetError):
        find_asset("LTC", BITCOIN_REGTEST.id)
    with pytest.raises(UnknownChainError):
        find_asset("BTC", "regtest")
    with pytest.raises(SettingsError):
        find_asset("swift:0/iso4217:EUR", None)


def test_a_code_that_several_networks_have_is_refused_with_their_ids() -> None:
    with pytest.raises(AmbiguousAssetError, match=r"eip155:1/erc20:0xdac17f9.* \(USDT on Ethereum\)"):
        find_asset("USDT", None)
    assert find_asset("USDT", POLYGON_USDT.chain_id) is POLYGON_USDT
    assert find_asset(POLYGON_USDT.id, None) is POLYGON_USDT
    assert find_asset("POL", None) is POL


def test_an_unknown_token_needs_its_decimals_from_its_issuer() -> None:
    token = f"eip155:1/erc20:0x{'7a' * 20}"
    with pytest.raises(UnknownAssetError, match="--decimals"):
        find_asset(token, None)
    assert find_asset(token, None, 9).decimals == 9
    assert find_asset(token, None).decimals == 9
    with pytest.raises(SettingsError, match="has 9 decimals, not 8"):
        find_asset(token, None, 8)
    with pytest.raises(SettingsError, match="has 6 decimals, not 18"):
        find_asset(POLYGON_USDT.id, None, 18)


def test_a_signed_payment_of_a_token_unknown_here_is_described_in_base_units() -> None:
    asset = f"eip155:137/erc20:0x{'7b' * 20}"
    intent = PaymentIntent(
        deployment="test",
        merchant=MerchantId.new(),
        payout=PayoutId.new(),
        asset=asset,
        amount=12,
        destination="0x" + "11" * 20,
        tag="",
        fee_ceiling=3,
        expires_at=2_000_000_000,
    )
    assert f"12 base units of {asset} on Polygon to 0x11" in describe(intent)
    assert f"fee at most 3 base units of {asset}" in describe(intent)
