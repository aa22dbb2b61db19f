-- name: key_sets
SELECT chain, kind, name, xpubs, origins, factory, treasury FROM wallet_key_set WHERE chain = %(chain)s ORDER BY kind

-- name: record_key_set
INSERT INTO wallet_key_set (chain, kind, name, xpubs, origins)
VALUES (%(chain)s, %(kind)s, %(name)s, %(xpubs)s, %(origins)s)
ON CONFLICT DO NOTHING

-- name: record_forwarders
INSERT INTO wallet_key_set (chain, kind, name, factory, treasury)
VALUES (%(chain)s, 'cold', 'forwarders', %(factory)s, %(treasury)s)
ON CONFLICT DO NOTHING

-- name: make_branch
INSERT INTO wallet_branch (chain, kind, branch, merchant_id, pool_target)
VALUES (%(chain)s, %(kind)s, %(branch)s, %(merchant_id)s, %(pool_target)s)
ON CONFLICT DO NOTHING

-- name: branch_of
SELECT branch FROM wallet_branch
WHERE chain = %(chain)s AND kind = %(kind)s AND branch = %(branch)s AND merchant_id IS NOT DISTINCT FROM %(merchant_id)s

-- name: branches_of_merchants
SELECT merchant_id, branch FROM wallet_branch
WHERE chain = %(chain)s AND kind = %(kind)s AND merchant_id = ANY (%(merchants)s::text[])

-- name: branches
SELECT chain, kind, branch, merchant_id, next_index, low_index, refill_index, pool_target, refilled_at,
    disputed_index
FROM wallet_branch WHERE chain = %(chain)s ORDER BY kind, branch

-- name: lock_branch
SELECT chain, kind, branch, merchant_id, next_index, low_index, refill_index, pool_target, refilled_at,
    disputed_index
FROM wallet_branch WHERE chain = %(chain)s AND kind = %(kind)s AND branch = %(branch)s FOR UPDATE

-- name: low_branches
-- Half empty: hand-out goes by index, so one look at one row per branch tells.
SELECT b.chain, b.kind, b.branch, b.merchant_id, b.next_index, b.low_index, b.refill_index, b.pool_target, b.refilled_at,
    b.disputed_index
FROM wallet_branch AS b
LEFT JOIN wallet_address AS a
    ON a.chain = b.chain AND a.kind = b.kind AND a.branch = b.branch AND a.index = b.refill_index
WHERE b.chain = %(chain)s AND (a.id IS NULL OR a.handed_out_at IS NOT NULL)
ORDER BY b.refilled_at NULLS FIRST LIMIT %(limit)s

-- name: waiting
SELECT count(*) AS waiting, min(index) AS lowest FROM wallet_address
WHERE chain = %(chain)s AND kind = %(kind)s AND branch = %(branch)s AND index >= %(low_index)s AND handed_out_at IS NULL

-- name: insert_addresses
INSERT INTO wallet_address (id, chain, kind, branch, index, script, address, merchant_id)
SELECT id, %(chain)s, %(kind)s, %(branch)s, index, script, address, %(merchant_id)s
FROM unnest(%(ids)s::text[], %(indices)s::integer[], %(scripts)s::bytea[], %(addresses)s::text[])
    AS fresh (id, index, script, address)

-- name: advance_branch
UPDATE wallet_branch
SET next_index = %(next_index)s, low_index = %(low_index)s, refill_index = %(refill_index)s, pool_target = %(pool_target)s,
    refilled_at = %(refilled_at)s
WHERE chain = %(chain)s AND kind = %(kind)s AND branch = %(branch)s

-- name: take
SELECT place, a.id, a.chain, k.name AS key_set, a.kind, a.branch, a.index, a.script, a.address, a.purpose, a.merchant_id,
    a.reference, a.asset, a.handed_out_at
FROM wallet_take(%(chain)s, %(kind)s, %(branches)s::integer[], %(purpose)s, %(references)s::text[],
    %(assets)s::text[], %(expected)s::numeric[], %(expected_until)s::timestamptz[]) AS taken
CROSS JOIN LATERAL (SELECT (taken.address).*) AS a
JOIN wallet_key_set AS k USING (chain, kind)

-- name: addresses
SELECT a.id, a.chain, k.name AS key_set, a.kind, a.branch, a.index, a.script, a.address, a.purpose, a.merchant_id,
    a.reference, a.asset, a.handed_out_at
FROM wallet_address AS a JOIN wallet_key_set AS k USING (chain, kind)
WHERE a.id = ANY (%(ids)s::text[])

-- name: derived
SELECT a.id, a.chain, k.name AS key_set, a.kind, a.branch, a.index, a.script, a.address, a.purpose, a.merchant_id,
    a.reference, a.asset, a.handed_out_at
FROM wallet_address AS a JOIN wallet_key_set AS k USING (chain, kind)
WHERE a.chain = %(chain)s AND a.kind = %(kind)s AND a.branch = %(branch)s
  AND a.index >= %(first)s AND a.index < %(end)s
ORDER BY a.index

-- name: dispute
UPDATE wallet_branch SET disputed_index = %(index)s
WHERE chain = %(chain)s AND kind = %(kind)s AND branch = %(branch)s

-- name: by_scripts
SELECT a.id, a.chain, k.name AS key_set, a.kind, a.branch, a.index, a.script, a.address, a.purpose, a.merchant_id,
    a.reference, a.asset, a.handed_out_at
FROM wallet_address AS a JOIN wallet_key_set AS k USING (chain, kind)
WHERE a.chain = %(chain)s AND a.script = ANY (%(scripts)s::bytea[])

-- name: lock_reference
SELECT pg_advisory_xact_lock(hashtextextended('wallet-standing:' || %(merchant_id)s || ':' || %(chain)s || ':' || %(reference)s, 0))

-- name: standing
SELECT id FROM wallet_address
WHERE merchant_id = %(merchant_id)s AND chain = %(chain)s AND reference = %(reference)s AND purpose = 'standing'

-- name: list_standing
SELECT a.id, a.chain, k.name AS key_set, a.kind, a.branch, a.index, a.script, a.address, a.purpose, a.merchant_id,
    a.reference, a.asset, a.handed_out_at
FROM wallet_address AS a JOIN wallet_key_set AS k USING (chain, kind)
WHERE a.merchant_id = %(merchant_id)s AND a.purpose = 'standing'
  AND (%(after)s::text IS NULL OR a.id < %(after)s)
ORDER BY a.id DESC LIMIT %(limit)s

-- name: set_intake
-- Counted from a little before, so that hand-outs committed while the room was measured count at least once.
INSERT INTO wallet_intake (chain, kind, until, room, counted_at)
VALUES (%(chain)s, %(kind)s, %(until)s, %(room)s, now() - interval '2 seconds')
ON CONFLICT (chain) DO UPDATE SET kind = EXCLUDED.kind, until = EXCLUDED.until, room = EXCLUDED.room,
    counted_at = EXCLUDED.counted_at, updated_at = now()

-- name: intake
SELECT wallet_intake_kind(%(chain)s) AS kind, (
    SELECT choice.room - coalesce((
        SELECT sum(news.expected) FROM wallet_address AS news
        WHERE news.chain = choice.chain AND news.kind = 'hot' AND news.expected_until IS NOT NULL
          AND news.handed_out_at > choice.counted_at), 0)
    FROM wallet_intake AS choice WHERE choice.chain = %(chain)s
) AS room

-- name: frozen
SELECT ledger_frozen(%(chain)s) AS frozen

-- name: expected_hot
SELECT coalesce(sum(expected), 0) AS expected FROM wallet_address
WHERE chain = %(chain)s AND kind = 'hot' AND expected_until IS NOT NULL AND expected_until > %(now)s

-- name: announce_own_payments
INSERT INTO wallet_own_payment (chain, txid, vout, reference)
SELECT %(chain)s, txid, vout, reference
FROM unnest(%(txids)s::text[], %(vouts)s::integer[], %(references)s::text[]) AS paid (txid, vout, reference)
ON CONFLICT (chain, txid, vout) DO NOTHING

-- name: own_payments
SELECT txid, vout, reference FROM wallet_own_payment WHERE chain = %(chain)s AND txid = ANY (%(txids)s::text[])

-- name: place_txs
INSERT INTO wallet_tx (chain, txid, height, block_hash, in_mempool, own)
SELECT %(chain)s, txid, %(height)s, %(block_hash)s, %(in_mempool)s, own
FROM unnest(%(txids)s::text[], %(own)s::boolean[]) AS seen (txid, own)
ON CONFLICT (chain, txid) DO UPDATE
SET height = EXCLUDED.height, block_hash = EXCLUDED.block_hash, in_mempool = EXCLUDED.in_mempool,
    own = wallet_tx.own OR EXCLUDED.own
WHERE wallet_tx.height IS NULL OR EXCLUDED.height IS NOT NULL

-- name: orphan_block
-- Back to unconfirmed; a coinbase output ceases to exist with its block.
UPDATE wallet_tx AS t
SET height = NULL, block_hash = NULL, in_mempool = NOT EXISTS (
    SELECT FROM wallet_coin AS c WHERE c.chain = t.chain AND c.txid = t.txid AND c.coinbase)
WHERE t.chain = %(chain)s AND t.block_hash = %(block_hash)s
RETURNING t.txid

-- name: leave_mempool
UPDATE wallet_tx SET in_mempool = false
WHERE chain = %(chain)s AND txid = ANY (%(txids)s::text[]) AND in_mempool
RETURNING txid

-- name: insert_coins
INSERT INTO wallet_coin (chain, txid, vout, amount, address_id, kind, coinbase)
SELECT %(chain)s, coin.txid, coin.vout, coin.amount, a.id, a.kind, coin.coinbase
FROM unnest(%(txids)s::text[], %(vouts)s::integer[], %(amounts)s::numeric[], %(scripts)s::bytea[], %(coinbases)s::boolean[])
    AS coin (txid, vout, amount, script, coinbase)
JOIN wallet_address AS a ON a.chain = %(chain)s AND a.script = coin.script
ON CONFLICT (chain, txid, vout) DO NOTHING

-- name: insert_spends
INSERT INTO wallet_spend (chain, txid, prev_txid, prev_vout)
SELECT %(chain)s, txid, prev_txid, prev_vout
FROM unnest(%(txids)s::text[], %(prev_txids)s::text[], %(prev_vouts)s::integer[]) AS spend (txid, prev_txid, prev_vout)
ON CONFLICT DO NOTHING

-- name: refresh_spent
UPDATE wallet_coin AS c
SET spent_by_txid = (
    SELECT s.txid FROM wallet_spend AS s JOIN wallet_tx AS t ON t.chain = s.chain AND t.txid = s.txid
    WHERE s.chain = c.chain AND s.prev_txid = c.txid AND s.prev_vout = c.vout AND (t.height IS NOT NULL OR t.in_mempool)
    ORDER BY t.height NULLS LAST, s.txid LIMIT 1)
FROM wallet_spend AS changed
WHERE changed.chain = %(chain)s AND changed.txid = ANY (%(txids)s::text[])
  AND c.chain = changed.chain AND c.txid = changed.prev_txid AND c.vout = changed.prev_vout

-- name: refresh_coins
-- A coin that arrives after the chain tx that spends it.
UPDATE wallet_coin AS c
SET spent_by_txid = s.txid
FROM wallet_spend AS s JOIN wallet_tx AS t ON t.chain = s.chain AND t.txid = s.txid
WHERE c.chain = %(chain)s AND c.txid = ANY (%(txids)s::text[]) AND c.spent_by_txid IS NULL
  AND s.chain = c.chain AND s.prev_txid = c.txid AND s.prev_vout = c.vout AND (t.height IS NOT NULL OR t.in_mempool)

-- name: spendable
-- LATERAL with LIMIT: one look by primary key for each coin. Statistics take hot unspent coins for many, and would scan all.
SELECT c.chain, c.txid, c.vout, c.amount, a.script, c.address_id, c.kind, a.branch, a.index, t.height, c.coinbase,
    t.own, c.spent_by_txid
FROM wallet_coin AS c
CROSS JOIN LATERAL (
    SELECT height, in_mempool, own FROM wallet_tx AS made WHERE made.chain = c.chain AND made.txid = c.txid LIMIT 1
) AS t
CROSS JOIN LATERAL (SELECT script, branch, index FROM wallet_address WHERE id = c.address_id LIMIT 1) AS a
WHERE c.chain = %(chain)s AND c.kind = %(kind)s AND c.spent_by_txid IS NULL
  AND (t.height <= %(settled_height)s
       OR (a.branch = 0 AND t.own AND (t.height <= %(tip_height)s OR (%(unconfirmed_change)s AND t.in_mempool))))
  AND (NOT c.coinbase OR t.height <= %(mature_height)s)
ORDER BY c.txid, c.vout

-- name: coins_at
SELECT c.chain, c.txid, c.vout, c.amount, a.script, c.address_id, c.kind, a.branch, a.index, t.height, c.coinbase,
    t.own, c.spent_by_txid
FROM wallet_coin AS c
JOIN unnest(%(txids)s::text[], %(vouts)s::integer[]) WITH ORDINALITY AS asked (txid, vout, place)
    ON asked.txid = c.txid AND asked.vout = c.vout
JOIN wallet_tx AS t ON t.chain = c.chain AND t.txid = c.txid
JOIN wallet_address AS a ON a.id = c.address_id
WHERE c.chain = %(chain)s
ORDER BY asked.place

-- name: holdings
-- Confirmed: what a scan of the chain's unspent outputs finds, so a spend counts only once it is in a block.
-- Two parts, each by an index of its own: coins ever spent are far more than these.
WITH there AS (
    SELECT kind, txid, amount, true AS unspent FROM wallet_coin
    WHERE chain = %(chain)s AND kind = ANY (%(kinds)s::text[]) AND spent_by_txid IS NULL
    UNION ALL
    SELECT c.kind, c.txid, c.amount, false
    FROM wallet_tx AS spender
    JOIN wallet_spend AS s ON s.chain = spender.chain AND s.txid = spender.txid
    JOIN wallet_coin AS c ON c.chain = s.chain AND c.txid = s.prev_txid AND c.vout = s.prev_vout
        AND c.spent_by_txid = spender.txid
    WHERE spender.chain = %(chain)s AND spender.in_mempool AND c.kind = ANY (%(kinds)s::text[])
)
SELECT there.kind,
    coalesce(sum(there.amount) FILTER (WHERE t.height IS NOT NULL), 0) AS confirmed,
    coalesce(sum(there.amount) FILTER (WHERE t.in_mempool AND there.unspent), 0) AS unconfirmed
FROM there
CROSS JOIN LATERAL (
    SELECT height, in_mempool FROM wallet_tx AS made WHERE made.chain = %(chain)s AND made.txid = there.txid LIMIT 1
) AS t
GROUP BY there.kind

-- name: record_assets
INSERT INTO wallet_asset (id, chain, code, decimals)
SELECT * FROM unnest(%(ids)s::text[], %(chains)s::text[], %(codes)s::text[], %(decimals)s::integer[])
ON CONFLICT (id) DO NOTHING

-- name: recorded_assets
SELECT id, chain, code, decimals FROM wallet_asset ORDER BY id

-- name: handed_out_for
SELECT EXISTS (SELECT FROM wallet_address WHERE chain = %s AND asset = %s) AS found
