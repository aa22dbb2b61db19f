"""The first start of an environment: keys, policy, genesis. Each part is done once, and is found done later."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from strongroom.demo.commands import SIGNER, run_command
from strongroom.demo.configuration import CHAIN, key_names, write_policy
from strongroom.demo.environment import OPERATOR, SIGNERS, Environment, make_passphrase
from strongroom.demo.errors import CommandFailedError
from strongroom.demo.ethereum_configuration import CHAIN as ETHEREUM
from strongroom.webhooks.service import WebhookSecrets

# What a guess at a passphrase costs: the passphrases are random and lie beside the keys: more buys nothing.
_KDF: Final = "interactive"


async def make_keys(environment: Environment) -> str:
    """Make the six keys, each in a folder of its own with a passphrase of its own; only account keys are kept here."""
    names = key_names()
    answers = await asyncio.gather(*(_public_half(environment, name) for name in names))
    parts = {name: answer["accounts"] for name, answer in zip(names, answers, strict=True)}
    identities = {name: answers[names.index(name)]["identity"] for name in SIGNERS}
    WebhookSecrets.load(environment.root / "webhook.key")  # made here, before two processes want it at once
    accounts = {name: part[CHAIN.id] for name, part in parts.items()}
    owners = {name: part[ETHEREUM.id] for name, part in parts.items()}
    operator = await make_operator(environment)
    environment.finish("keys", accounts=accounts, owners=owners, identities=identities, operator=operator)
    return "signers A and B online; recovery, three cold keys and the operator's in offline/"


async def found_signers(environment: Environment) -> str:
    """Give both signers the policy: row 1 of each journal, in force at once."""
    write_policy(environment)
    await asyncio.gather(*(_genesis(environment, name) for name in SIGNERS))
    environment.finish("genesis")
    return "row 1 of both journals; the operator signs every change (a test network: none of them has to wait)"


async def make_operator(environment: Environment) -> str:
    """Make the key of the one operator, and give its public half, which the policy names."""
    folder, passphrase = environment.key_folder(OPERATOR), environment.passphrase_file(OPERATOR)
    make_passphrase(passphrase)
    if (folder / "key.json").exists():
        found: str = json.loads(await run_command(*SIGNER, "xpub", "--dir", str(folder)))["identity"]
        return found
    made = ("--dir", str(folder), "--name", OPERATOR, "--kdf", _KDF)
    operator: str = json.loads(await run_command(*SIGNER, "operator", "new", *made, secret=passphrase))["operator"]
    return operator


async def _public_half(environment: Environment, name: str) -> dict[str, Any]:
    """Give a holder's identity, and its part in each chain: an account key or an owner's address."""
    folder, passphrase = environment.key_folder(name), environment.passphrase_file(name)
    make_passphrase(passphrase)
    if (folder / "key.json").exists():
        answer = await run_command(*SIGNER, "xpub", "--dir", str(folder))
    else:
        made = ("--name", name.upper(), "--chain", CHAIN.id, "--chain", ETHEREUM.id, "--kdf", _KDF)
        answer = await run_command(*SIGNER, "init", "--dir", str(folder), *made, secret=passphrase)
    found: dict[str, Any] = json.loads(answer)
    return found


async def _genesis(environment: Environment, name: str) -> None:
    folder = environment.key_folder(name)
    try:
        await run_command(*SIGNER, "genesis", "--dir", str(folder), "--policy", str(environment.root / "policy.toml"))
    except CommandFailedError:
        # Refused where it is done already, by a start that was interrupted right after; then the journal verifies.
        await run_command(*SIGNER, "verify", "--dir", str(folder))
