"""The first start of an environment: keys, policy, genesis. Each part is done once, and is found done later."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from strongroom.demo.commands import SIGNER, run_command
from strongroom.demo.configuration import CHAIN, key_names, write_policy
from strongroom.demo.environment import SIGNERS, Environment, make_passphrase
from strongroom.demo.errors import CommandFailedError
from strongroom.demo.ethereum_configuration import CHAIN as ETHEREUM
from strongroom.webhooks.service import WebhookSecrets

# What a guess at a passphrase costs: the passphrases are random and lie beside the keys: more buys nothing.
_KDF: Final = "interactive"


async def make_keys(environment: Environment) -> str:
    """Make the six keys, each in a folder of its own with a passphrase of its own; only account keys are kept here."""
    names = key_names()
    parts = dict(zip(names, await asyncio.gather(*(_parts(environment, name) for name in names)), strict=True))
    WebhookSecrets.load(environment.root / "webhook.key")  # made here, before two processes want it at once
    accounts = {name: part[CHAIN.id] for name, part in parts.items()}
    owners = {name: part[ETHEREUM.id] for name, part in parts.items()}
    environment.finish("keys", accounts=accounts, owners=owners)
    return "signers A and B online; recovery and three cold keys in offline/"


async def found_signers(environment: Environment) -> str:
    """Give both signers the policy: row 1 of each journal."""
    write_policy(environment)
    await asyncio.gather(*(_genesis(environment, name) for name in SIGNERS))
    environment.finish("genesis")
    return "row 1 of both journals"


async def _parts(environment: Environment, name: str) -> dict[str, str]:
    """Give a holder's part in each chain: an account key on Bitcoin, an owner's address on Ethereum."""
    folder, passphrase = environment.key_folder(name), environment.passphrase_file(name)
    make_passphrase(passphrase)
    if (folder / "key.json").exists():
        answer = await run_command(*SIGNER, "xpub", "--dir", str(folder))
    else:
        made = ("--name", name.upper(), "--chain", CHAIN.id, "--chain", ETHEREUM.id, "--kdf", _KDF)
        answer = await run_command(*SIGNER, "init", "--dir", str(folder), *made, secret=passphrase)
    accounts: dict[str, str] = json.loads(answer)["accounts"]
    return accounts


async def _genesis(environment: Environment, name: str) -> None:
    folder = environment.key_folder(name)
    try:
        await run_command(*SIGNER, "genesis", "--dir", str(folder), "--policy", str(environment.root / "policy.toml"))
    except CommandFailedError:
        # Refused where it is done already, by a start that was interrupted right after; then the journal verifies.
        await run_command(*SIGNER, "verify", "--dir", str(folder))
