"""The files that processes and signers are configured by, written from what the environment knows."""

from __future__ import annotations

import json
import re
from typing import Final

from strongroom.demo import ethereum_configuration as ethereum
from strongroom.demo.environment import OFFLINE_KEYS, SIGNERS, Environment
from strongroom.infra.components.hosting import LOOPBACK, write_private
from strongroom.infra.settings import Settings, load_settings
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC

CHAIN: Final = BITCOIN_REGTEST
ASSET: Final = REGTEST_BTC
DATABASE: Final = "strongroom"
HORIZON: Final = 12
CONFIRMATIONS: Final = 2
PAYOUT_FEE: Final = 1_000
# The header of regtest's first block (bitcoin/src/kernel/chainparams.cpp).
GENESIS: Final = (
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc38"
    "88a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000"
)
RATE: Final = "60000.00"
# Base units. House capital covers the hot balance: what a thief of both signers could take is the house's own.
CAPITAL_HOT: Final = 60_000_000
CAPITAL_COLD: Final = 40_000_000
BAND_LOW, BAND_TARGET, BAND_HIGH = 20_000_000, 60_000_000, 90_000_000
_KEY: Final = re.compile(r"(\[[^\]]+\])(\w+)")
_HOT: Final = ("a", "b", "recovery")
_COLD: Final = ("cold-1", "cold-2", "cold-3")


def write_settings(environment: Environment) -> Settings:
    """Write the settings of all processes and read them back, checked."""
    write_private(environment.settings_file, _settings(environment))
    return load_settings(environment.settings_file)


def write_policy(environment: Environment) -> None:
    """Write the policy that both signers get a copy of at genesis."""
    accounts: dict[str, str] = environment.facts["accounts"]
    off = frozenset(environment.facts.get("switched_off", ()))  # by drills, to show what a rule is worth
    policy = _policy(environment, accounts, off) + ethereum.chain_policy(environment)
    write_private(environment.root / "policy.toml", policy)


def key_names() -> tuple[str, ...]:
    """Name all keys of the environment: the two online signers', the recovery key and the three cold ones."""
    return (*SIGNERS, *OFFLINE_KEYS)


def _settings(environment: Environment) -> str:
    root, ports = environment.root, environment.ports
    prices = {"BTC/EUR": RATE, "BTC/USD": "65000.00"} | ethereum.fixed_rates()
    rates = ", ".join(f"{_text(pair)} = {_text(price)}" for pair, price in prices.items())
    head = f"""\
# Written by `strongroom up` at each start. A demonstration: not for production.
deployment = {_text(environment.deployment)}
data_dir = {_text(root)}

[database]
host = {_text(LOOPBACK)}
port = {ports["postgres"]}
name = {_text(DATABASE)}
passwords = {_text(root / "postgres-passwords")}

[api]
host = {_text(LOOPBACK)}
port = {ports["api"]}
public_url = {_text(environment.api_url)}

[rates]
sources = ["fixed"]
fixed = {{ {rates} }}

[webhooks]
key_file = {_text(root / "webhook.key")}
allow_private_destinations = true  # the demonstration merchant's server is on this machine
"""
    return head + _signers(environment) + _chain(environment) + ethereum.chain_settings(environment)


def _signers(environment: Environment) -> str:
    return "".join(
        f"\n[[signers]]\nname = {_text(name.upper())}\naddress = {_text(environment.socket(name))}\n"
        for name in SIGNERS
    )


def _chain(environment: Environment) -> str:
    root, ports = environment.root, environment.ports
    return f"""
[[chains]]
id = {_text(CHAIN.id)}
rpc_url = {_text(f"http://{LOOPBACK}:{ports['node_rpc']}")}
cookie_file = {_text(root / "node" / "regtest" / ".cookie")}
zmq_url = {_text(f"tcp://{LOOPBACK}:{ports['node_zmq']}")}
poll_seconds = 1.0
horizon = {HORIZON}
tiers = [{{ confirmations = {CONFIRMATIONS}, amount_max = 100000000 }}, {{ confirmations = 6 }}]

[chains.fees]
payout_fee = {PAYOUT_FEE}

[chains.band]
low = {BAND_LOW}
target = {BAND_TARGET}
high = {BAND_HIGH}
{_key_set(environment, "hot", _HOT)}{_key_set(environment, "cold", _COLD)}"""


def _key_set(environment: Environment, kind: str, names: tuple[str, ...]) -> str:
    keys = []
    for name in names:
        match = _KEY.fullmatch(environment.facts["accounts"][name])
        if match is None:
            message = f"{name}: not an account key with its origin"
            raise ValueError(message)
        keys.append(f"    {{ origin = {_text(match[1])}, xpub = {_text(match[2])} }},\n")
    rows = "".join(keys)
    return f"\n[[chains.key_sets]]\nname = {_text(f'{kind}-1')}\nkind = {_text(kind)}\nkeys = [\n{rows}]\n"


def _policy(environment: Environment, accounts: dict[str, str], switched_off: frozenset[str]) -> str:
    hot, cold = (", ".join(_text(accounts[name]) for name in names) for names in (_HOT, _COLD))
    identities: dict[str, str] = environment.facts["identities"]
    signers = ", ".join(f"{name.upper()} = {_text(key)}" for name, key in identities.items())
    return f"""\
version = 1
deployment = {_text(environment.deployment)}
time_lock_seconds = 0  # a test network: where money is real, what loosens waits for a day at least
operator_quorum = 1  # a test network: where money is real, two operators at least
operators = [{_text(environment.facts["operator"])}]
switched_off = {json.dumps(sorted(switched_off))}
signers = {{ {signers} }}
conversions = {ethereum.conversion_bands()}

[chains.{_text(CHAIN.id)}]
hot = [{hot}]
cold = [{cold}]
checkpoint = {_text(GENESIS)}
checkpoint_height = 0
confirmations = {CONFIRMATIONS}
horizon = {HORIZON}
nodes_min = 2
view_seconds = 600
dust = 546
max_index_gap = 1000
max_fee_rate = 100
max_fee = 200000
daily_fee_budget = 1000000

[assets.{_text(ASSET.id)}]
per_payout = 20000000
per_window = 50000000
window_seconds = 86400
payout_fee = {PAYOUT_FEE}
"""


def _text(value: object) -> str:
    """Write a TOML basic string, whose escapes JSON's are a part of."""
    return json.dumps(str(value), ensure_ascii=False)
