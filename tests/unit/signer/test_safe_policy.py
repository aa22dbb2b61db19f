"""The EVM part of the policy and of the merchants' file: what is wrong is named, and nothing is guessed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from embit import bip39

from strongroom_core.assets import ETH, USDT
from strongroom_signer import cli, host, keyfile
from strongroom_signer.curve import PrivateNode
from strongroom_signer.enrolment import Caps, parse_enrolment, render
from strongroom_signer.errors import EnrolmentError, PolicyError
from strongroom_signer.evm_chains import EVM_PARAMETERS, MULTI_SEND_CALL_ONLY
from strongroom_signer.host import Folder
from strongroom_signer.identity import identity_key
from strongroom_signer.keyfile import OpenKey
from strongroom_signer.policy import parse_policy
from tests.unit.signer.kit import ALONE, TRUSTED
from tests.unit.signer.safe_kit import (
    CHAIN,
    COIN,
    DAY,
    ETHER,
    HOUSE,
    LISTED,
    NEW_NONCES_PER_DAY,
    UNITS,
    USDC,
    merchants,
    owner,
    place,
    policy_text,
    text_of,
)
from tests.unit.signer.safe_kit import (
    USDT as DEV_USDT,
)

TEXT = policy_text().decode()
NONCES = f"new_nonces_per_day = {NEW_NONCES_PER_DAY}\n"


def swapped(old: bytes, new: bytes) -> str:
    assert text_of(old) in TEXT
    return TEXT.replace(text_of(old), text_of(new))


def test_a_policy_reads_as_it_is_written():
    policy = parse_policy(TEXT.encode())
    safe = policy.safes[CHAIN]
    assert (safe.hot_safe, safe.cold_safe, safe.multisend, safe.allowance) == (
        HOUSE.hot_safe,
        HOUSE.cold_safe,
        HOUSE.multisend,
        HOUSE.allowance,
    )
    assert safe.hot_owners == tuple(owner(name) for name in ("A", "B", "R"))
    assert safe.tokens == {bytes(20): COIN, HOUSE.usdt: DEV_USDT, HOUSE.usdc: USDC}
    assert policy.limits[COIN].per_window == 20_000 * ETHER > 2**63
    assert policy.limits[USDC].draw_per_day == 6_000 * UNITS
    assert (
        parse_policy(TEXT.replace(text_of(HOUSE.hot_safe), "0x" + HOUSE.hot_safe.hex()).encode()).safes == policy.safes
    )


@pytest.mark.parametrize(
    ("bent", "named"),
    [
        (TEXT.replace("first_nonce = 0\n", ""), "first_nonce"),
        (TEXT.replace("first_nonce = 0", "first_nonce = -1"), "first_nonce"),
        (TEXT.replace(NONCES, "new_nonces_per_day = 0\n"), "new_nonces_per_day"),
        (TEXT.replace(NONCES, "new_nonces_per_day = 20001\n"), "new_nonces_per_day"),
        (TEXT.replace(NONCES, ""), "new_nonces_per_day"),
        (TEXT.replace(NONCES, f"{NONCES}guard = 1\n"), "guard"),
        (TEXT.replace(text_of(HOUSE.hot_safe), text_of(HOUSE.hot_safe).lower()[:-1]), "hot_safe"),
        (TEXT.replace(text_of(HOUSE.allowance), text_of(bytes(20))), "allowance"),
        (TEXT.replace(f'"{text_of(HOUSE.multisend)}"', "7"), "multisend"),
        (swapped(HOUSE.cold_safe, HOUSE.hot_safe), "twice"),
        (swapped(owner("B"), owner("A")), "twice"),
        (swapped(owner("C1"), owner("R")), "twice"),
        (swapped(owner("C1"), HOUSE.hot_safe), "twice"),
        (swapped(HOUSE.allowance, HOUSE.usdt), "twice"),
        (TEXT.replace(f', "{text_of(owner("R"))}"', ""), "hot_owners"),
        (TEXT.replace(f"draw_per_day = {6_000 * UNITS}\n", "", 1), "draw_per_day"),
        (TEXT.replace(f"draw_per_day = {6_000 * UNITS}", "draw_per_day = -1", 1), "draw_per_day"),
        (TEXT.replace(f"per_payout = {5_000 * ETHER}", f"per_payout = {2**256}"), "per_payout"),
        (TEXT.replace(f"erc20:0x{HOUSE.usdt.hex()}", f"erc20:0x{HOUSE.usdt.hex().upper()}"), "erc20"),
        (TEXT.replace(f"erc20:0x{HOUSE.usdt.hex()}", f"erc20:0x{'00' * 20}"), "erc20"),
        (TEXT.replace("slip44:60", "slip44:61"), "slip44:61"),
        (TEXT.replace(f'[assets."{COIN}"]', f'[assets."{ETH.id}"]'), "wanted"),
        (policy_text(assets={}).decode() + "[assets]\n", "none of its assets"),
        (TEXT.replace(CHAIN, "eip155:5"), "eip155:5"),
        (TEXT.replace(CHAIN, "eip155:1"), "MultiSendCallOnly"),
    ],
)
def test_a_wrong_policy_is_refused_and_the_message_names_what(bent: str, named: str):
    assert bent != TEXT
    with pytest.raises(PolicyError) as error:
        parse_policy(bent.encode())
    assert named in error.value.message


@pytest.mark.parametrize("multisend", MULTI_SEND_CALL_ONLY)
def test_on_a_main_network_the_delegatecall_goes_to_safes_own_contract(multisend: bytes):
    text = swapped(HOUSE.multisend, multisend).replace(CHAIN, "eip155:1").replace(ALONE, TRUSTED)
    policy = parse_policy(text.encode())
    assert policy.safes["eip155:1"].multisend == multisend


def test_a_genesis_wants_one_hot_owner_to_be_this_signers_own(tmp_path: Path):
    seed = hashlib.sha256(b"test key A").digest()
    folder = Folder(tmp_path / "A")
    folder.root.mkdir(mode=0o700)
    keyfile._seal(folder.key, "A", seed, (CHAIN,), b"a passphrase of the tests", "interactive")
    assert keyfile.read_public(folder.key).accounts == {CHAIN: text_of(owner("A"))}
    with pytest.raises(PolicyError) as error:
        host.found(folder, swapped(owner("A"), place("a stranger")).encode())
    assert "own" in error.value.message
    assert host.found(folder, TEXT.encode()).safes


def test_a_folder_without_a_key_of_the_chain_has_no_genesis(tmp_path: Path):
    folder = Folder(tmp_path)
    seed = hashlib.sha256(b"test key A").digest()
    keyfile._seal(folder.key, "A", seed, ("eip155:1",), b"a passphrase of the tests", "interactive")
    with pytest.raises(PolicyError):
        host.found(folder, TEXT.encode())


def test_the_owners_key_stands_where_bip_44_says():
    # The accounts of the well-known development mnemonic, as every wallet shows them; no test network is among them.
    seed = bip39.mnemonic_to_seed("test test test test test test test test test test test junk")
    key = OpenKey("dev", PrivateNode.from_seed(seed), b"", identity_key(seed))
    assert key.public_text("eip155:1") == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert key.public_text("eip155:137") == key.public_text("eip155:1")
    assert key.public_text("eip155:11155111") == key.public_text(CHAIN) != key.public_text("eip155:1")


def test_the_address_command_prints_the_address_of_a_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seed = hashlib.sha256(b"test key A").digest()
    keyfile._seal(Folder(tmp_path).key, "A", seed, (), b"a passphrase of the tests", "interactive")
    secret = tmp_path / "secret"
    secret.write_bytes(b"a passphrase of the tests\n")
    # The command closes the descriptor itself.
    descriptor = os.open(secret, os.O_RDONLY)
    assert cli.main(["address", "--dir", str(tmp_path), "--chain", CHAIN, "--passphrase-fd", str(descriptor)]) == 0
    assert text_of(owner("A")) in capsys.readouterr().out


def test_the_merchants_file_holds_amounts_of_any_size_and_addresses():
    enrolment = merchants()
    assert parse_enrolment(render(enrolment)) == enrolment
    (caps, *_) = [row.caps[COIN] for row in parse_enrolment(render(enrolment)).values()]
    assert caps.per_window == 10_000 * ETHER > 2**63
    assert caps.scripts == {LISTED}


@pytest.mark.parametrize(
    "changes",
    [
        {"asset": f"{CHAIN}/erc20:0x{'AB' * 20}"},
        {"asset": f"{CHAIN}/erc20:0x{'00' * 20}"},
        {"asset": f"{CHAIN}/erc20:{'ab' * 20}"},
        {"asset": f"{CHAIN}/erc20:0x{'ab' * 20}0"},
        {"asset": f"{CHAIN}/erc721:0x{'ab' * 20}"},
        {"asset": "eip155:5/slip44:60"},
        {"per_payout": 2**256},
        {"destinations": ("0x1234",)},
        {"destinations": (text_of(LISTED)[:-1] + "0",)},
        {"destinations": (text_of(bytes(20)),)},
        {"destinations": ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",)},
    ],
)
def test_wrong_caps_are_refused(changes: dict[str, Any]):
    values: dict[str, Any] = {"asset": USDT.id, "per_payout": 1, "per_window": 1, "unlisted_per_window": 1}
    assert Caps(**values, destinations=(text_of(LISTED),)).scripts == {LISTED}
    with pytest.raises(EnrolmentError):
        Caps(**({"destinations": ()} | values | changes))


def test_a_window_has_its_length():
    assert parse_policy(TEXT.encode()).limits[COIN].window_seconds == DAY
    assert EVM_PARAMETERS[CHAIN].number == 31337
