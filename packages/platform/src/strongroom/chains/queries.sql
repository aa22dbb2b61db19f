-- name: watch_scripts
INSERT INTO chain_watch (chain, script)
SELECT %(chain)s, script FROM unnest(%(scripts)s::bytea[]) AS script
ON CONFLICT (chain, script) DO NOTHING

-- name: read_events
SELECT e.id, e.chain, e.kind, e.height, e.block_hash, e.parent_hash, e.block_time, e.reason, e.replaced_by, e.txid,
    COALESCE(e.undoes, e.id) AS source
FROM chain_event e
WHERE e.chain = %(chain)s AND e.id > %(after)s
ORDER BY e.id
LIMIT %(limit)s

-- name: event_txs
SELECT event_id, txid, rbf FROM chain_event_tx WHERE event_id = ANY (%s) ORDER BY event_id, position

-- name: event_outputs
SELECT event_id, txid, vout, script, amount, coinbase, asset FROM chain_event_output WHERE event_id = ANY (%s)
ORDER BY event_id, txid, vout

-- name: event_spends
SELECT event_id, txid, vin, prev_txid, prev_vout, effect, success FROM chain_event_spend WHERE event_id = ANY (%s)
ORDER BY event_id, txid, vin

-- name: make_cursor
INSERT INTO chain_cursor (consumer, chain, event_id) VALUES (%(consumer)s, %(chain)s, 0)
ON CONFLICT (consumer, chain) DO NOTHING

-- name: take_cursor
SELECT event_id FROM chain_cursor WHERE consumer = %(consumer)s AND chain = %(chain)s FOR UPDATE

-- name: cursor
SELECT event_id FROM chain_cursor WHERE consumer = %(consumer)s AND chain = %(chain)s

-- name: advance_cursor
UPDATE chain_cursor SET event_id = %(event_id)s
WHERE consumer = %(consumer)s AND chain = %(chain)s AND event_id <= %(event_id)s

-- name: tip
SELECT chain, height, hash AS block_hash, status, detail, updated_at, node_height, finalized_height
FROM chain_status WHERE chain = %s

-- name: ever_came
SELECT EXISTS (SELECT FROM chain_event_output WHERE asset = %s) AS found

-- name: raw_txs
SELECT txid, raw FROM chain_tx WHERE chain = %(chain)s AND txid = ANY (%(txids)s)

-- name: lock_chain
SELECT pg_try_advisory_lock(hashtextextended('strongroom-watcher:' || %s, 0)) AS mine

-- name: unlock_all
SELECT pg_advisory_unlock_all()

-- name: last_block_event
SELECT id, kind, height, block_hash, parent_hash FROM chain_event
WHERE chain = %s AND kind IN ('connected', 'disconnected')
ORDER BY id DESC LIMIT 1

-- name: active_block
-- The last word on a height at or below the tip is always a connection.
SELECT id, kind, height, block_hash, parent_hash, block_time FROM chain_event
WHERE chain = %(chain)s AND height = %(height)s AND kind IN ('connected', 'disconnected')
ORDER BY id DESC LIMIT 1

-- name: peak_since
SELECT max(height) AS height FROM chain_event WHERE chain = %(chain)s AND id >= %(event_id)s AND kind = 'connected'

-- name: snapshot_floor
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS floor

-- name: scripts_since
SELECT script FROM chain_watch WHERE chain = %(chain)s AND added_by >= %(floor)s::xid8

-- name: all_scripts
SELECT script FROM chain_watch WHERE chain = %s

-- name: all_coins
SELECT DISTINCT o.txid, o.vout FROM chain_event_output o JOIN chain_event e ON e.id = o.event_id WHERE e.chain = %s

-- name: open_txs
-- Chain txs whose last appearance is in the mempool or on a disconnected block, and which are not said to be gone since.
SELECT t.txid, t.event_id AS source, c.raw, appearance.pending
FROM (
    SELECT id, true AS pending FROM chain_event WHERE chain = %(chain)s AND kind = 'mempool_added'
    UNION ALL
    SELECT undoes, false FROM chain_event WHERE chain = %(chain)s AND kind = 'disconnected'
) AS appearance
JOIN chain_event_tx t ON t.event_id = appearance.id
JOIN chain_tx c ON c.chain = %(chain)s AND c.txid = t.txid
WHERE NOT EXISTS (
    SELECT 1 FROM chain_event_tx later JOIN chain_event e ON e.id = later.event_id AND e.chain = %(chain)s
    WHERE later.txid = t.txid AND later.event_id > t.event_id
) AND NOT EXISTS (SELECT 1 FROM chain_event gone WHERE gone.undoes = t.event_id AND gone.txid = t.txid)

-- name: insert_events
-- Given in order and numbered in order; the array's place comes back with the number.
WITH given AS (
    SELECT * FROM unnest(%(kinds)s::text[], %(heights)s::bigint[], %(hashes)s::text[], %(parents)s::text[],
        %(times)s::timestamptz[], %(txids)s::text[], %(reasons)s::text[], %(replaced)s::text[], %(undoes)s::bigint[])
        WITH ORDINALITY AS g (kind, height, block_hash, parent_hash, block_time, txid, reason, replaced_by, undoes, place)
)
INSERT INTO chain_event (chain, kind, height, block_hash, parent_hash, block_time, txid, reason, replaced_by, undoes)
SELECT %(chain)s, kind, height, block_hash, parent_hash, block_time, txid, reason, replaced_by, undoes
FROM given ORDER BY place
RETURNING id

-- name: insert_txs
INSERT INTO chain_event_tx (event_id, position, txid, rbf)
SELECT * FROM unnest(%(events)s::bigint[], %(positions)s::integer[], %(txids)s::text[], %(rbfs)s::boolean[])

-- name: insert_outputs
INSERT INTO chain_event_output (event_id, txid, vout, script, amount, coinbase, asset)
SELECT * FROM unnest(%(events)s::bigint[], %(txids)s::text[], %(vouts)s::integer[], %(scripts)s::bytea[],
    %(amounts)s::numeric[], %(coinbases)s::boolean[], %(assets)s::text[])

-- name: insert_spends
INSERT INTO chain_event_spend (event_id, txid, vin, prev_txid, prev_vout, effect, success)
SELECT * FROM unnest(%(events)s::bigint[], %(txids)s::text[], %(vins)s::integer[], %(prev_txids)s::text[],
    %(prev_vouts)s::bigint[], %(effects)s::text[], %(successes)s::boolean[])

-- name: insert_raws
INSERT INTO chain_tx (chain, txid, raw)
SELECT %(chain)s, txid, raw FROM unnest(%(txids)s::text[], %(raws)s::bytea[]) AS given (txid, raw)
ON CONFLICT (chain, txid) DO NOTHING

-- name: read_status
SELECT status, detail, deep_reorg, node_height, height, hash, finalized_height FROM chain_status WHERE chain = %s

-- name: write_status
-- What the chain calls final is not forgotten while its endpoints are away.
INSERT INTO chain_status AS s (chain, status, height, hash, node_height, detail, deep_reorg, finalized_height)
VALUES (%(chain)s, %(status)s, %(height)s, %(hash)s, %(node_height)s, %(detail)s, %(deep_reorg)s, %(finalized_height)s)
ON CONFLICT (chain) DO UPDATE SET status = EXCLUDED.status, height = EXCLUDED.height, hash = EXCLUDED.hash,
    node_height = EXCLUDED.node_height, detail = EXCLUDED.detail, deep_reorg = EXCLUDED.deep_reorg,
    finalized_height = COALESCE(EXCLUDED.finalized_height, s.finalized_height), updated_at = now()

-- name: txs_of_event
SELECT t.txid, c.raw FROM chain_event_tx t JOIN chain_tx c ON c.txid = t.txid AND c.chain = %(chain)s
WHERE t.event_id = %(event_id)s ORDER BY t.position

-- name: credit_stopped
SELECT 1 AS found FROM stop_switch WHERE name = 'credit' AND scope = %s AND cleared_at IS NULL
