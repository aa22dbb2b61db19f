"""What an owner's hand on an offline machine is shown, and that it signs what it compared and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from strongroom_core.messages import SafeSigned
from strongroom_signer import cli, keyfile
from strongroom_signer.host import Folder
from tests.unit.signer.safe_kit import (
    CHAIN,
    HOUSE,
    SHOP,
    UNITS,
    Part,
    SafeDraft,
    call,
    draw,
    owner,
    place,
    send,
    signed_by,
    text_of,
    transfer,
)

THIEF = text_of(place("thief"))
OWNER = text_of(place("an owner"))
# What the Safe's linked lists of owners and modules begin with.
FIRST = text_of(bytes(19) + b"\x01")
PASSPHRASE = b"a passphrase of the tests"
# The cold Safe's ceremony: a module enabled, its limit set; and a refill of the hot Safe.
CEREMONY = SafeDraft(
    (
        Part(HOUSE.cold_safe, call("enableModule(address)", text_of(HOUSE.allowance))),
        Part(HOUSE.allowance, call("set_limit(address,uint256)", text_of(HOUSE.usdt), 6_000 * UNITS)),
        transfer(HOUSE.usdt, HOUSE.hot_safe, 9 * UNITS),
    ),
).bent(safe=HOUSE.cold_safe)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    seed = hashlib.sha256(b"test key C1").digest()
    keyfile._seal(made.key, "C1", seed, (CHAIN,), PASSPHRASE, "interactive")
    return made


def run(folder: Folder, draft: SafeDraft, *more: str) -> int:
    file = folder.root / "safe-tx"
    file.write_text(draft.encode().hex() + "\n")
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE + b"\n")
    os.close(writer)
    arguments = ("owner-sign", "--dir", str(folder.root), "--chain", CHAIN, "--safe-tx", str(file))
    return cli.main([*arguments, "--passphrase-fd", str(reader), *more])


def test_an_owner_sees_what_it_signs_and_signs_the_hash_that_it_compared(
    folder: Folder, capsys: pytest.CaptureFixture[str]
):
    assert run(folder, CEREMONY) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["hash"] == "0x" + CEREMONY.hash.hex()
    assert shown["safe"] == text_of(HOUSE.cold_safe)
    assert [item["to"] for item in shown["calls"]] == [text_of(part.to) for part in CEREMONY.parts]
    assert [item["reads as"] for item in shown["calls"]] == [
        {"function": "enableModule", "module": text_of(HOUSE.allowance)},
        {"function": "set_limit", "token": text_of(HOUSE.usdt), "per day": 6_000 * UNITS},
        {"function": "transfer", "to": text_of(HOUSE.hot_safe), "amount": 9 * UNITS},
    ]
    assert [item.get("calls") for item in shown["calls"]] == ["THE SAFE ITSELF", None, None]
    assert "signature" not in shown

    assert run(folder, CEREMONY, "--hash", shown["hash"]) == 0
    signed = json.loads(capsys.readouterr().out)
    assert signed["owner"] == text_of(owner("C1"))
    assert signed_by(SafeSigned("", bytes.fromhex(signed["signature"]), 0), CEREMONY.hash) == owner("C1")


def shown_call(folder: Folder, capsys: pytest.CaptureFixture[str], part: Part) -> dict[str, Any]:
    """How the hand is shown one call of the cold Safe, in a batch."""
    draft = SafeDraft((part, send(SHOP, 1))).bent(safe=HOUSE.cold_safe)
    assert run(folder, draft) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)["calls"][0]
    return shown


@pytest.mark.parametrize(
    ("signature", "values", "fields"),
    [
        ("enableModule(address)", [THIEF], {"module": THIEF}),
        ("disableModule(address,address)", [FIRST, THIEF], {"previous module": FIRST, "module": THIEF}),
        ("setGuard(address)", [THIEF], {"guard": THIEF}),
        ("setModuleGuard(address)", [THIEF], {"guard": THIEF}),
        ("setFallbackHandler(address)", [THIEF], {"handler": THIEF}),
        ("addOwnerWithThreshold(address,uint256)", [THIEF, 1], {"owner": THIEF, "threshold": 1}),
        (
            "swapOwner(address,address,address)",
            [FIRST, OWNER, THIEF],
            {"previous owner": FIRST, "old owner": OWNER, "new owner": THIEF},
        ),
        (
            "removeOwner(address,address,uint256)",
            [FIRST, OWNER, 2],
            {"previous owner": FIRST, "owner": OWNER, "threshold": 2},
        ),
        ("changeThreshold(uint256)", [1], {"threshold": 1}),
    ],
)
def test_what_changes_the_safe_itself_is_named(
    folder: Folder, capsys: pytest.CaptureFixture[str], signature: str, values: list[Any], fields: dict[str, Any]
):
    data = call(signature, *values)
    shown = shown_call(folder, capsys, Part(HOUSE.cold_safe, data))
    assert shown["calls"] == "THE SAFE ITSELF"
    assert shown["reads as"] == {"function": signature.partition("(")[0], **fields}
    # The same bytes to anybody else are not that function, and other bytes are none that we know.
    for part in (
        Part(place("another Safe"), data),
        Part(HOUSE.cold_safe, data + b"\x00"),
        Part(HOUSE.cold_safe, data[:-1]),
        Part(HOUSE.cold_safe, data, value=1),
    ):
        assert shown_call(folder, capsys, part)["reads as"] == {"function": "UNKNOWN"}


@pytest.mark.parametrize(
    "part",
    [
        Part(HOUSE.usdt, call("approve(address,uint256)", THIEF, 1)),
        Part(HOUSE.usdt, b"\xa9\x05\x9c"),
        Part(HOUSE.usdt, call("transfer(address,uint256)", THIEF, 1)[:4] + b"\x01" + bytes(63)),
        Part(HOUSE.cold_safe, call("transfer(address,uint256)", THIEF, 1)),
        Part(HOUSE.cold_safe, call("execTransactionFromModule(address,uint256,bytes,uint8)", THIEF, 1, b"", 0)),
    ],
)
def test_what_cannot_be_read_is_shown_as_unknown(folder: Folder, capsys: pytest.CaptureFixture[str], part: Part):
    shown = shown_call(folder, capsys, part)
    assert shown["reads as"] == {"function": "UNKNOWN"}
    assert shown["data"] == part.data.hex()


def test_coin_and_the_empty_call_are_told_apart(folder: Folder, capsys: pytest.CaptureFixture[str]):
    assert shown_call(folder, capsys, send(SHOP, 5))["reads as"] == {
        "function": "coin",
        "to": text_of(SHOP),
        "amount": 5,
    }
    assert run(folder, SafeDraft((Part(HOUSE.cold_safe),)).bent(safe=HOUSE.cold_safe)) == 0
    (shown,) = json.loads(capsys.readouterr().out)["calls"]
    assert shown["calls"] == "THE SAFE ITSELF"
    assert "nothing" in shown["reads as"]["function"]


@pytest.mark.parametrize(
    ("draft", "named"),
    [
        (CEREMONY.bent(nonce=1), "another transaction"),
        (CEREMONY.bent(gas_price=1), "zero"),
        (CEREMONY.bent(refund_receiver=place("thief")), "zero"),
        (SafeDraft((draw(HOUSE.usdt, 1), send(SHOP, 1))).bent(data=b"\x01"), "batch"),
        (CEREMONY.bent(value=1), "delegatecall"),
        (CEREMONY.bent(operation=3), "not a Safe transaction"),
        # MultiSendCallOnly of Safe 1.5.0 would make the Safe call itself.
        (SafeDraft((Part(bytes(20), call("enableModule(address)", THIEF)), send(SHOP, 1))), "zero address"),
        (SafeDraft((Part(bytes(20), call("enableModule(address)", THIEF)),)), "zero address"),
    ],
)
def test_what_differs_or_would_pay_a_stranger_is_not_signed(
    folder: Folder, capsys: pytest.CaptureFixture[str], draft: SafeDraft, named: str
):
    assert run(folder, draft, "--hash", "0x" + CEREMONY.hash.hex()) == 1
    told = capsys.readouterr()
    assert named in json.loads(told.err)["message"]
    assert not told.out


def test_the_folder_of_an_online_signer_signs_nothing_by_hand(folder: Folder, capsys: pytest.CaptureFixture[str]):
    folder.journal.touch()
    assert run(folder, CEREMONY, "--hash", "0x" + CEREMONY.hash.hex()) == 1
    assert "online" in json.loads(capsys.readouterr().err)["message"]
