-- name: by_txids
SELECT d.id, d.chain, d.asset, d.merchant_id, d.address_id, d.address, d.kind, d.branch, d.purpose, d.reference, d.txid,
    d.vout, d.amount, d.coinbase, d.rbf, d.below_minimum, d.wrong_asset, d.confirmations_needed, d.state, d.height, d.block_hash,
    d.cycle, d.credited_cycle, d.fee, d.credited, d.exception, d.replaced_by, d.first_seen_at, d.credited_at,
    greatest(0, coalesce(t.height - d.height + 1, 0)) AS confirmations
FROM deposit AS d LEFT JOIN deposit_tip AS t USING (chain)
WHERE d.chain = %(chain)s AND d.txid = ANY (%(txids)s::text[])
ORDER BY d.id FOR UPDATE OF d

-- name: open_deposits
-- Those below the minimum that are confirmed wait, maybe for ever, unlooked at: until their merchant's sum of them in that
-- asset reaches it, or the chain has become too short for them.
SELECT d.id, d.chain, d.asset, d.merchant_id, d.address_id, d.address, d.kind, d.branch, d.purpose, d.reference, d.txid,
    d.vout, d.amount, d.coinbase, d.rbf, d.below_minimum, d.wrong_asset, d.confirmations_needed, d.state, d.height, d.block_hash,
    d.cycle, d.credited_cycle, d.fee, d.credited, d.exception, d.replaced_by, d.first_seen_at, d.credited_at,
    greatest(0, coalesce(t.height - d.height + 1, 0)) AS confirmations
FROM deposit AS d LEFT JOIN deposit_tip AS t USING (chain)
WHERE d.chain = %(chain)s AND (
    d.state = 'confirming' OR d.state = 'confirmed' AND (
        d.merchant_id IS NULL OR NOT d.below_minimum OR t.height - d.height + 1 < d.confirmations_needed
        OR (d.merchant_id, d.asset) IN (
            SELECT small.merchant_id, small.asset
            FROM deposit AS small
            JOIN unnest(%(assets)s::text[], %(minimums)s::numeric[]) AS held (asset, minimum) ON held.asset = small.asset
            WHERE small.chain = %(chain)s AND small.below_minimum AND small.state IN ('confirming', 'confirmed')
            GROUP BY small.merchant_id, small.asset, held.minimum HAVING sum(small.amount) >= held.minimum
        )
    )
)
ORDER BY d.id FOR UPDATE OF d

-- name: one
SELECT d.id, d.chain, d.asset, d.merchant_id, d.address_id, d.address, d.kind, d.branch, d.purpose, d.reference, d.txid,
    d.vout, d.amount, d.coinbase, d.rbf, d.below_minimum, d.wrong_asset, d.confirmations_needed, d.state, d.height, d.block_hash,
    d.cycle, d.credited_cycle, d.fee, d.credited, d.exception, d.replaced_by, d.first_seen_at, d.credited_at,
    greatest(0, coalesce(t.height - d.height + 1, 0)) AS confirmations
FROM deposit AS d LEFT JOIN deposit_tip AS t USING (chain)
WHERE d.id = %(id)s

-- name: lock
SELECT d.id, d.chain, d.asset, d.merchant_id, d.address_id, d.address, d.kind, d.branch, d.purpose, d.reference, d.txid,
    d.vout, d.amount, d.coinbase, d.rbf, d.below_minimum, d.wrong_asset, d.confirmations_needed, d.state, d.height, d.block_hash,
    d.cycle, d.credited_cycle, d.fee, d.credited, d.exception, d.replaced_by, d.first_seen_at, d.credited_at,
    greatest(0, coalesce(t.height - d.height + 1, 0)) AS confirmations
FROM deposit AS d LEFT JOIN deposit_tip AS t USING (chain)
WHERE d.id = %(id)s FOR UPDATE OF d

-- name: on_address
SELECT d.id, d.chain, d.asset, d.merchant_id, d.address_id, d.address, d.kind, d.branch, d.purpose, d.reference, d.txid,
    d.vout, d.amount, d.coinbase, d.rbf, d.below_minimum, d.wrong_asset, d.confirmations_needed, d.state, d.height, d.block_hash,
    d.cycle, d.credited_cycle, d.fee, d.credited, d.exception, d.replaced_by, d.first_seen_at, d.credited_at,
    greatest(0, coalesce(t.height - d.height + 1, 0)) AS confirmations
FROM deposit AS d LEFT JOIN deposit_tip AS t USING (chain)
WHERE d.address_id = %(address_id)s ORDER BY d.id

-- name: list
SELECT d.id, d.chain, d.asset, d.merchant_id, d.address_id, d.address, d.kind, d.branch, d.purpose, d.reference, d.txid,
    d.vout, d.amount, d.coinbase, d.rbf, d.below_minimum, d.wrong_asset, d.confirmations_needed, d.state, d.height, d.block_hash,
    d.cycle, d.credited_cycle, d.fee, d.credited, d.exception, d.replaced_by, d.first_seen_at, d.credited_at,
    greatest(0, coalesce(t.height - d.height + 1, 0)) AS confirmations
FROM deposit AS d LEFT JOIN deposit_tip AS t USING (chain)
WHERE d.merchant_id = %(merchant_id)s AND (%(cursor)s::text IS NULL OR d.id < %(cursor)s)
ORDER BY d.id DESC LIMIT %(limit)s

-- name: pending_by_asset
SELECT asset, sum(amount) AS amount FROM deposit
WHERE merchant_id = %(merchant_id)s AND state IN ('seen', 'confirming', 'confirmed', 'held')
GROUP BY asset ORDER BY asset

-- name: uncredited
SELECT kind, sum(amount) AS amount FROM deposit
WHERE chain = %(chain)s AND state IN ('confirming', 'confirmed', 'held')
  AND (%(asset)s::text IS NULL OR asset = %(asset)s)
GROUP BY kind

-- name: unswept
-- Forwarders by what they hold longest; the index has nothing else in it. Those with less than `least` of an asset, and
-- those named to be left out, are not counted against the limit: dust must not hide what is worth gathering.
SELECT address_id, asset, sum(amount) AS amount FROM deposit
WHERE chain = %(chain)s AND state = 'credited' AND emptied_by IS NULL AND starts_with(chain, 'eip155:')
  AND NOT EXISTS (
      SELECT FROM unnest(%(left_addresses)s::text[], %(left_assets)s::text[]) AS apart (address_id, asset)
      WHERE apart.address_id = deposit.address_id AND apart.asset = deposit.asset
  )
GROUP BY address_id, asset
HAVING sum(amount) >= coalesce((
    SELECT given.least FROM unnest(%(assets)s::text[], %(least)s::numeric[]) AS given (asset, least)
    WHERE given.asset = deposit.asset
), 0)
ORDER BY min(id) LIMIT %(limit)s

-- name: unswept_of
-- The largest forwarders of each merchant's asset that together hold what it needs; less than a least deposit counts too.
-- So does what chain txs have just taken from there (`taken_by`), before anything else.
WITH heap AS (
    SELECT merchant_id, asset, address_id, emptied_by IS NULL AS here, sum(amount) AS amount FROM deposit
    WHERE chain = %(chain)s AND state = 'credited' AND starts_with(chain, 'eip155:')
      AND (emptied_by IS NULL OR emptied_by = ANY (%(taken_by)s::text[]))
      AND NOT EXISTS (
          SELECT FROM unnest(%(left_addresses)s::text[], %(left_assets)s::text[]) AS apart (address_id, asset)
          WHERE apart.address_id = deposit.address_id AND apart.asset = deposit.asset
      )
    GROUP BY merchant_id, asset, address_id, here
), ranked AS (
    SELECT heap.*, asked.needed, sum(heap.amount) OVER (
        PARTITION BY merchant_id, asset ORDER BY here, heap.amount DESC, address_id
    ) - heap.amount AS before
    FROM heap JOIN unnest(%(merchants)s::text[], %(assets)s::text[], %(needed)s::numeric[])
        AS asked (merchant_id, asset, needed) USING (merchant_id, asset)
)
SELECT address_id, asset, amount FROM ranked WHERE here AND before < needed ORDER BY amount DESC, address_id LIMIT %(limit)s

-- name: unswept_totals
SELECT asset, sum(amount) AS amount, count(DISTINCT address_id) AS forwarders FROM deposit
WHERE chain = %(chain)s AND state = 'credited' AND emptied_by IS NULL AND starts_with(chain, 'eip155:')
GROUP BY asset ORDER BY asset

-- name: emptied
UPDATE deposit AS d SET emptied_by = %(txid)s
FROM unnest(%(addresses)s::text[], %(assets)s::text[]) AS empty (address_id, asset)
WHERE d.chain = %(chain)s AND d.address_id = empty.address_id AND d.asset = empty.asset
  AND d.height <= %(height)s AND d.emptied_by IS NULL

-- name: credited_among
SELECT d.txid, d.vout FROM unnest(%(txids)s::text[], %(vouts)s::integer[]) AS asked (txid, vout)
JOIN deposit AS d ON d.chain = %(chain)s AND d.txid = asked.txid AND d.vout = asked.vout AND d.state = 'credited'

-- name: tip
SELECT height FROM deposit_tip WHERE chain = %(chain)s

-- name: set_tip
INSERT INTO deposit_tip (chain, height, block_hash) VALUES (%(chain)s, %(height)s, %(block_hash)s)
ON CONFLICT (chain) DO UPDATE SET height = EXCLUDED.height, block_hash = EXCLUDED.block_hash

-- name: insert
INSERT INTO deposit (id, chain, asset, merchant_id, address_id, address, kind, branch, purpose, reference, txid, vout,
    amount, coinbase, rbf, below_minimum, wrong_asset, confirmations_needed, state, height, block_hash, cycle, credited_cycle, fee,
    credited, exception, replaced_by, first_seen_at, credited_at)
VALUES (%(id)s, %(chain)s, %(asset)s, %(merchant_id)s, %(address_id)s, %(address)s, %(kind)s, %(branch)s, %(purpose)s,
    %(reference)s, %(txid)s, %(vout)s, %(amount)s, %(coinbase)s, %(rbf)s, %(below_minimum)s, %(wrong_asset)s,
    %(confirmations_needed)s, %(state)s, %(height)s, %(block_hash)s, %(cycle)s, %(credited_cycle)s, %(fee)s, %(credited)s, %(exception)s,
    %(replaced_by)s, %(first_seen_at)s, %(credited_at)s)

-- name: update
UPDATE deposit AS d
SET state = new.state, height = new.height, block_hash = new.block_hash, cycle = new.cycle,
    credited_cycle = new.credited_cycle, fee = new.fee, credited = new.credited, exception = new.exception,
    replaced_by = new.replaced_by, credited_at = new.credited_at, updated_at = now(),
    emptied_by = CASE WHEN new.height IS NOT NULL THEN d.emptied_by END
FROM unnest(%(ids)s::text[], %(states)s::text[], %(heights)s::bigint[], %(block_hashes)s::text[], %(cycles)s::integer[],
    %(credited_cycles)s::integer[], %(fees)s::numeric[], %(crediteds)s::numeric[], %(exceptions)s::text[],
    %(replaced_bys)s::text[], %(credited_ats)s::timestamptz[])
    AS new (id, state, height, block_hash, cycle, credited_cycle, fee, credited, exception, replaced_by, credited_at)
WHERE d.id = new.id

-- name: record_history
INSERT INTO deposit_history (deposit_id, from_state, to_state, cycle, event_id, reason)
SELECT deposit_id, from_state, to_state, cycle, event_id, reason
FROM unnest(%(ids)s::text[], %(from_states)s::text[], %(to_states)s::text[], %(cycles)s::integer[], %(event_ids)s::bigint[],
    %(reasons)s::text[]) WITH ORDINALITY AS arrow (deposit_id, from_state, to_state, cycle, event_id, reason, place)
ORDER BY place

-- name: history
SELECT from_state, to_state, cycle, event_id, reason, at FROM deposit_history WHERE deposit_id = %(id)s ORDER BY id

-- name: record_credits
INSERT INTO deposit_credit (deposit_id, cycle, ledger_transaction_id)
SELECT * FROM unnest(%(ids)s::text[], %(cycles)s::integer[], %(transactions)s::text[])

-- name: record_reversals
INSERT INTO deposit_reversal (deposit_id, cycle, ledger_transaction_id)
SELECT * FROM unnest(%(ids)s::text[], %(cycles)s::integer[], %(transactions)s::text[])
