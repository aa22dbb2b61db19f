"""What each signer of the demonstration connects to: its peer, the witness, and nodes of its own."""

from __future__ import annotations

import json
from typing import Final

from strongroom.demo.configuration import CHAIN
from strongroom.demo.environment import SIGNER_NODES, SIGNERS, WITNESS, Environment
from strongroom.demo.ethereum_configuration import CHAIN as ETHEREUM
from strongroom.infra.components.hosting import LOOPBACK, write_private

FILE: Final = "links.toml"
IDENTITIES: Final = "identities.toml"


def write_links(environment: Environment) -> None:
    """Write both signers' links, and whom the witness knows, at each start: ports may have changed."""
    identities: dict[str, str] = environment.facts["identities"]
    known = "".join(f"{name.upper()} = {_text(key)}\n" for name, key in identities.items())
    write_private(environment.witness / IDENTITIES, f"deployment = {_text(environment.deployment)}\n[signers]\n{known}")
    for name in SIGNERS:
        write_private(environment.key_folder(name) / FILE, _links(environment, name))


def _links(environment: Environment, name: str) -> str:
    (peer,) = (other for other in SIGNERS if other != name)
    cookies = ", ".join(_node(environment, name, node) for node in SIGNER_NODES[name])
    anvil = f"http://{LOOPBACK}:{environment.ports['ethereum_rpc']}"
    return f"""\
# Written by `strongroom up` at each start. A demonstration: not for production.
[peer]
name = {_text(peer.upper())}
socket = {_text(environment.socket(peer))}

[witness]
name = {_text(WITNESS)}
socket = {_text(environment.socket(WITNESS))}

[nodes.{_text(CHAIN.id)}]
cookie_files = [{cookies}]

[nodes.{_text(ETHEREUM.id)}]
urls = [{_text(anvil)}]  # anvil has no peers: on a real chain a signer has two nodes of its own or more
"""


def _node(environment: Environment, signer: str, node: str) -> str:
    url = f"http://{LOOPBACK}:{environment.ports[f'{node}_rpc']}"
    cookie = environment.signer_node(signer, node) / "regtest" / ".cookie"
    return f"{{ url = {_text(url)}, cookie_file = {_text(cookie)} }}"


def _text(value: object) -> str:
    """Write a TOML basic string, whose escapes JSON's are a part of."""
    return json.dumps(str(value), ensure_ascii=False)
