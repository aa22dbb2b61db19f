"""The books' SQL, and how its parameters are written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import OperationalError
from psycopg.rows import DictRow

from strongroom.infra.database import Connection, Pool, load_queries
from strongroom.ledger.model import (
    Account,
    AccountAudit,
    AccountType,
    Balance,
    Breach,
    BreachKind,
    Cover,
    Hold,
    HoldState,
    Outcome,
)
from strongroom.ledger.rules import Batch
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id
from strongroom_core.ids import HoldId, MerchantId

_SQL: Final = load_queries(__package__ or "")
_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
Answers = tuple[list[int], list[int | None], list[int]]


def numbers_literal(values: Sequence[int]) -> str:
    """Write an array literal of integers; many times faster than adapting a list element by element."""
    return "{" + ",".join(map(str, values)) + "}"


def texts_literal(values: Sequence[str]) -> str:
    r"""Write an array literal of printable texts.

    In quotes, JSON and PostgreSQL's array syntax differ only in escapes other than ``\"`` and ``\\``, which JSON needs
    for control characters alone, and the model refuses those.
    """
    return "{" + _json(values)[1:-1] + "}"


def _account_columns(accounts: Sequence[Account]) -> tuple[str, str, str]:
    return (
        texts_literal([account.owner or "" for account in accounts]),
        texts_literal([account.type.value for account in accounts]),
        texts_literal([account.asset.id for account in accounts]),
    )


async def post(connection: Connection, batch: Batch, *, all_or_nothing: bool) -> Answers:
    """Post a batch; outcomes, numbers and times of posting (milliseconds since 1970), one per key."""
    columns = (
        *_account_columns(batch.accounts),
        *(texts_literal(texts) for texts in (batch.keys, batch.hashes, batch.kinds, batch.memos)),
        *(numbers_literal(values) for values in (batch.lasts, batch.sources, batch.destinations, batch.amounts)),
    )
    row = await _one(connection, "post", (*columns, all_or_nothing))
    return row["outcomes"], row["numbers"], row["posted_ms"]


async def post_durably(pool: Pool, batch: Batch) -> Answers:
    """Post what can be posted in a database transaction of its own, and return when it is on disk.

    A lost connection or a lock conflict is tried again: the keys make sure that nothing happens twice.
    """
    for delay in RETRY_SECONDS:
        try:
            return await _post_alone(pool, batch)
        except OperationalError:
            await asyncio.sleep(delay)
    return await _post_alone(pool, batch)


def is_down(error: Exception) -> bool:
    """Whether the database could not be reached, whatever was asked of it."""
    return isinstance(error, OperationalError)


async def _post_alone(pool: Pool, batch: Batch) -> Answers:
    async with pool.connection() as connection:
        # One statement is a transaction by itself: without BEGIN and COMMIT it is one round trip instead of three.
        await connection.set_autocommit(True)
        try:
            return await post(connection, batch, all_or_nothing=False)
        finally:
            if not connection.broken:
                await connection.set_autocommit(False)


async def reserve(
    connection: Connection,
    hold_id: HoldId,
    key: str,
    hashed: str,
    account: Account,
    amount: int,
    expires_at: datetime | None,
    memo: str,
) -> tuple[Outcome, Hold | None]:
    """Make a hold."""
    values = (hold_id, key, hashed, account.owner, account.asset.id, amount, expires_at, memo)
    return _held(await _one(connection, "reserve", values))


async def capture(
    connection: Connection, hold_id: HoldId, key: str, hashed: str, batch: Batch, memo: str
) -> tuple[Outcome, Hold | None]:
    """Capture from a hold; the batch's first account is the held one."""
    columns = (
        *_account_columns(batch.accounts),
        numbers_literal(batch.destinations),
        numbers_literal(batch.amounts),
        memo,
    )
    return _held(await _one(connection, "capture", (hold_id, key, hashed, *columns)))


async def release(
    connection: Connection, hold_id: HoldId, key: str, hashed: str, memo: str
) -> tuple[Outcome, Hold | None]:
    """Release what is left of a hold."""
    return _held(await _one(connection, "release", (hold_id, key, hashed, memo)))


async def expire(connection: Connection, now: datetime, most: int) -> list[Hold]:
    """Release holds that are due at ``now``."""
    rows = await (await connection.execute(_SQL["expire"], (now, most))).fetchall()
    return [_hold(row) for row in rows]


async def hold(connection: Connection, hold_id: HoldId) -> Hold | None:
    """Find a hold."""
    row = await (await connection.execute(_SQL["hold"], (hold_id,))).fetchone()
    return _hold(row) if row else None


async def balance(connection: Connection, account: Account) -> int:
    """Give the balance; zero where nothing was ever posted."""
    values = (account.owner or "", account.type.value, account.asset.id)
    row = await (await connection.execute(_SQL["balance"], values)).fetchone()
    return int(row["balance"]) if row else 0


async def balances(connection: Connection, owner: str) -> list[Balance]:
    """Give all balances of a merchant, or with an empty text of the house."""
    rows = await (await connection.execute(_SQL["balances"], (owner,))).fetchall()
    return [Balance(_account(row), row["balance"]) for row in rows]


async def owing(connection: Connection, asset_id: str) -> list[str]:
    """Read who owes of an asset."""
    return [row["owner"] for row in await (await connection.execute(_SQL["owing"], (asset_id,))).fetchall()]


async def cover(connection: Connection, asset_id: str) -> Cover:
    """Read how the rules of cover stand."""
    row = await _one(connection, "cover", (asset_id,))
    return Cover(**{name: int(value) for name, value in row.items()})


async def breaches(connection: Connection) -> list[Breach]:
    """Read what stands."""
    return [_breach(row) for row in await (await connection.execute(_SQL["breaches"])).fetchall()]


async def past_breaches(connection: Connection, limit: int) -> list[Breach]:
    """Read what is over."""
    return [_breach(row) for row in await (await connection.execute(_SQL["past_breaches"], (limit,))).fetchall()]


async def judge_all(connection: Connection) -> None:
    """Judge every asset."""
    await connection.execute(_SQL["judge_all"])


async def report_breach(connection: Connection, asset_id: str, kind: str, size: int, cause: str) -> None:
    """Begin, change or end a breach."""
    await connection.execute(_SQL["report_breach"], (asset_id, kind, size, cause))


async def audit_accounts(connection: Connection) -> list[AccountAudit]:
    """Recompute every account from its entries."""
    rows = await (await connection.execute(_SQL["audit_accounts"])).fetchall()
    names = ("balance", "entries", "entry_count", "entry_sum", "last_after", "breaks")
    return [AccountAudit(_account(row), *(int(row[name]) for name in names)) for row in rows]


async def audit_postings(connection: Connection) -> list[tuple[int, int]]:
    """Find postings (transaction, line) that are not two entries of one asset with sum zero; the first hundreds."""
    found: list[tuple[int, int]] = []
    for name in ("audit_postings", "audit_strays"):
        rows = await (await connection.execute(_SQL[name])).fetchall()
        found += [(row["transaction"], row["line"]) for row in rows]
    return found


async def _one(connection: Connection, name: str, values: Sequence[Any]) -> DictRow:
    row = await (await connection.execute(_SQL[name], values)).fetchone()
    if row is None:
        message = f"{name} gave no row"
        raise RuntimeError(message)
    return row


def _account(row: DictRow) -> Account:
    owner = MerchantId(row["owner"]) if row["owner"] else None
    return Account(AccountType(row["type"]), asset_by_id(row["asset"]), owner)


def _breach(row: DictRow) -> Breach:
    return Breach(**{**row, "kind": BreachKind(row["kind"])})


def _held(row: DictRow) -> tuple[Outcome, Hold | None]:
    return Outcome(row["outcome"]), _hold(row) if row["id"] else None


def _hold(row: DictRow) -> Hold:
    asset = asset_by_id(row["asset"])
    return Hold(
        id=HoldId(row["id"]),
        key=row["key"],
        account=Account(AccountType.MERCHANT_AVAILABLE, asset, MerchantId(row["owner"])),
        amount=Amount(asset, row["amount"]),
        captured=Amount(asset, row["captured"]),
        released=Amount(asset, row["released"]),
        state=HoldState(row["state"]),
        expires_at=row["expires_at"],
        memo=row["memo"],
    )
