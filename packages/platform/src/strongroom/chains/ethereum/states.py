"""State as of one exact block: balances and nonces before and after it, from one endpoint.

By the block's hash (EIP-1898). An endpoint that does not know that form is asked by height, and then whether the height
still is that block. A contract that fails is its own fault (None); an endpoint without the state is the endpoint's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from strongroom.chains.errors import NodeError, NodeRefusedError
from strongroom.chains.ethereum.endpoint import Endpoint
from strongroom.chains.ethereum.model import Block
from strongroom.chains.ethereum.reading import AnswerError, block_of
from strongroom.chains.jsonrpc import Call, call_of

BALANCE_OF: Final = "0x70a08231" + "0" * 24  # balanceOf(address), and the padding of the address
NONCE: Final = "0xaffed0e0"  # a Safe's nonce()
GAS_MAX: Final = 1_000_000  # what a token may use to tell a balance
_WORD_TEXT: Final = 66
_ITS_OWN_FAULT: Final = ("revert", "out of gas", "outofgas", "gas required", "invalid opcode", "stack", "exceeds")
_REVERTED: Final = 3


class StateMissingError(NodeError):
    """An endpoint does not keep the state of a block that is needed."""

    code = "state-missing"


def token_balance(token: bytes, address: bytes) -> dict[str, str]:
    """Make the call that asks a token for a balance."""
    return {"to": "0x" + token.hex(), "data": BALANCE_OF + address.hex(), "gas": hex(GAS_MAX)}


def safe_nonce(safe: bytes) -> dict[str, str]:
    """Make the call that asks a Safe for its nonce."""
    return {"to": "0x" + safe.hex(), "data": NONCE}


async def read_words(endpoint: Endpoint, questions: Sequence[tuple[dict[str, str], Block]]) -> list[int | None]:
    """Call contracts, each as of its block, for one word each; None where a contract does not answer with one.

    Raises ``StateMissingError`` where the endpoint does not have the state.
    """
    calls = [("eth_call", message, block.height, block.block_hash) for message, block in questions]
    return [_word(answer) for answer in await _at_blocks(endpoint, calls)]


async def read_words_before(endpoint: Endpoint, questions: Sequence[tuple[dict[str, str], Block]]) -> list[int | None]:
    """Call contracts as of the parents of their blocks; see ``read_words``."""
    calls = [("eth_call", message, block.height - 1, block.parent_hash) for message, block in questions]
    return [_word(answer) for answer in await _at_blocks(endpoint, calls)]


async def ask_at(endpoint: Endpoint, method: str, what: object, block: Block) -> Any:
    """Ask one question about a block's state; the called contract's own refusal comes as its ``NodeRefusedError``.

    Raises ``StateMissingError`` where the endpoint does not have the state.
    """
    (answer,) = await _at_blocks(endpoint, [(method, what, block.height, block.block_hash)])
    return answer


async def _at_blocks(endpoint: Endpoint, calls: Sequence[tuple[str, object, int, str]]) -> list[Any]:
    if endpoint.knows_hashes:
        answers = await endpoint.batch([call_of(name, what, {"blockHash": of}) for name, what, _, of in calls])
        if not any(_foreign(answer) for answer in answers):
            return answers
    answers = await _at_heights(endpoint, calls)
    endpoint.knows_hashes = False
    return answers


async def _at_heights(endpoint: Endpoint, calls: Sequence[tuple[str, object, int, str]]) -> list[Any]:
    blocks = {height: block_hash for _, _, height, block_hash in calls}
    headers = [call_of("eth_getBlockByNumber", hex(height), False) for height in blocks]  # noqa: FBT003 - positional
    asked = [call_of(name, what, hex(height)) for name, what, height, _ in calls]
    answers = await endpoint.batch([*asked, *headers])
    for (height, block_hash), header in zip(blocks.items(), answers[len(asked) :], strict=True):
        if not isinstance(header, dict) or block_of(header).block_hash != block_hash:
            message = f"block {height} is not {block_hash} any more"
            raise AnswerError(message)
    for answer in answers[: len(asked)]:
        if _foreign(answer):
            message = (
                f"{endpoint.name} has no state of block {min(blocks)}; it takes an archive node ({answer.message})"
            )
            raise StateMissingError(message)
    return answers[: len(asked)]


def _foreign(answer: Any) -> bool:
    """Whether a refusal is not the called contract's doing."""
    if not isinstance(answer, NodeRefusedError):
        return False
    text = answer.message.lower()
    return answer.number != _REVERTED and not any(word in text for word in _ITS_OWN_FAULT)


def _word(answer: Any) -> int | None:
    if not isinstance(answer, str) or len(answer) != _WORD_TEXT:
        return None
    try:
        return int(answer, 16)
    except ValueError:
        return None


def balance_calls(addresses: Sequence[bytes], height: int) -> list[Call]:
    """Ask for coin at a height that is final."""
    return [call_of("eth_getBalance", "0x" + address.hex(), hex(height)) for address in addresses]
