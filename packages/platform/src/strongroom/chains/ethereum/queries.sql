-- name: refused_tokens
SELECT asset, reason FROM chain_refused_token WHERE chain = %s AND accepted_at IS NULL

-- name: refuse_token
INSERT INTO chain_refused_token (chain, asset, reason, height) VALUES (%(chain)s, %(asset)s, %(reason)s, %(height)s)
ON CONFLICT (chain, asset) DO UPDATE SET reason = EXCLUDED.reason, height = EXCLUDED.height, refused_at = now(), accepted_at = NULL
WHERE chain_refused_token.accepted_at IS NOT NULL

-- name: accept_token
UPDATE chain_refused_token SET accepted_at = now() WHERE chain = %(chain)s AND asset = %(asset)s AND accepted_at IS NULL
RETURNING asset

-- name: hold_outputs
INSERT INTO chain_refused_output (event_id, txid, vout, script, amount, asset)
SELECT * FROM unnest(%(events)s::bigint[], %(txids)s::text[], %(vouts)s::integer[], %(scripts)s::bytea[],
    %(amounts)s::numeric[], %(assets)s::text[])

-- name: releasable_outputs
-- What was held of tokens that are accepted again, on final blocks of the active chain.
SELECT o.event_id, o.txid, o.vout, o.script, o.amount, o.asset
FROM chain_refused_token t
JOIN chain_refused_output o ON o.asset = t.asset AND o.released_by IS NULL
JOIN chain_event e ON e.id = o.event_id AND e.chain = t.chain AND e.height <= %(height)s
WHERE t.chain = %(chain)s AND t.accepted_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM chain_event gone WHERE gone.undoes = e.id AND gone.kind = 'disconnected')
ORDER BY o.event_id, o.txid, o.vout
LIMIT %(limit)s

-- name: release_outputs
UPDATE chain_refused_output AS o SET released_by = %(event)s
FROM unnest(%(events)s::bigint[], %(txids)s::text[], %(vouts)s::integer[]) AS given (event_id, txid, vout)
WHERE o.event_id = given.event_id AND o.txid = given.txid AND o.vout = given.vout

-- name: untraced
SELECT height FROM chain_untraced WHERE chain = %s

-- name: note_untraced
INSERT INTO chain_untraced AS u (chain, height) VALUES (%(chain)s, %(height)s)
ON CONFLICT (chain) DO UPDATE SET height = GREATEST(u.height, EXCLUDED.height)

-- name: all_traced
DELETE FROM chain_untraced WHERE chain = %s

-- name: last_receivers
-- Addresses that were paid a token lately, on whose balances a change without a transfer shows.
SELECT DISTINCT o.script FROM (
    SELECT o.script, o.asset FROM chain_event e JOIN chain_event_output o ON o.event_id = e.id
    WHERE e.chain = %(chain)s AND e.id > %(after)s AND o.asset = %(asset)s ORDER BY e.id DESC LIMIT %(limit)s
) AS o

-- name: last_event
SELECT max(id) AS id FROM chain_event WHERE chain = %s

-- name: watch_balances
-- A new watch counts from the last final block on, and so does one that had run out; but where finality is far behind, from
-- so far below the tip as no reorg goes: endpoints that prune do not keep older state for long.
INSERT INTO chain_balance_watch AS w (chain, script, since_height, until)
SELECT %(chain)s, script, COALESCE((SELECT GREATEST(finalized_height, height - %(reorg)s, 0) FROM chain_status WHERE chain = %(chain)s), 0),
    %(until)s
FROM unnest(%(scripts)s::bytea[]) AS script
ON CONFLICT (chain, script) DO UPDATE SET until = GREATEST(w.until, EXCLUDED.until),
    since_height = CASE WHEN w.until < now() THEN EXCLUDED.since_height ELSE w.since_height END

-- name: balance_watches
-- None at a block at which balances were read already: what is found there goes by the block's hash, once.
SELECT w.script, w.since_height, b.height, b.balance
FROM chain_balance_watch w LEFT JOIN chain_balance b ON b.chain = w.chain AND b.script = w.script
WHERE w.chain = %(chain)s AND w.until >= now() AND GREATEST(w.since_height, COALESCE(b.height, 0)) < %(height)s
  AND NOT EXISTS (SELECT 1 FROM chain_balance r WHERE r.chain = %(chain)s AND r.height >= %(height)s)
ORDER BY w.script

-- name: recorded_coin
-- What facts of the active chain say that an address was paid in coin after its block and up to another.
SELECT o.script, sum(o.amount) AS amount
FROM unnest(%(scripts)s::bytea[], %(froms)s::bigint[]) AS asked (script, after_height)
JOIN chain_event e ON e.chain = %(chain)s AND e.kind = 'connected' AND e.height > asked.after_height
    AND e.height <= %(height)s AND e.height > %(lowest)s
JOIN chain_event_output o ON o.event_id = e.id AND o.script = asked.script AND o.asset = %(coin)s AND o.vout < %(balance_vout)s
WHERE NOT EXISTS (SELECT 1 FROM chain_event gone WHERE gone.undoes = e.id AND gone.kind = 'disconnected')
GROUP BY o.script

-- name: save_balances
INSERT INTO chain_balance (chain, script, height, balance)
SELECT %(chain)s, script, %(height)s, balance FROM unnest(%(scripts)s::bytea[], %(balances)s::numeric[]) AS given (script, balance)
ON CONFLICT (chain, script) DO UPDATE SET height = EXCLUDED.height, balance = EXCLUDED.balance
