-- name: queued_total
SELECT coalesce(sum(amount), 0) AS total FROM treasury_payable
WHERE chain = %(chain)s AND asset = %(asset)s AND state = 'queued';

-- name: short_assets
SELECT DISTINCT asset FROM treasury_payable WHERE chain = %(chain)s AND state = 'queued' AND short;

-- name: unproven_needs
SELECT merchant_id, asset, sum(amount + fee) AS needed FROM treasury_payable
WHERE chain = %(chain)s AND state = 'queued' AND unproven
GROUP BY merchant_id, asset;

-- name: gathered_since
SELECT txid FROM treasury_gathering WHERE chain = %(chain)s AND state = 'done' AND ended_at > %(since)s;

-- name: take_turn
SELECT pg_try_advisory_xact_lock(hashtextextended('gathering ' || %(chain)s, 0)) AS mine;

-- name: insert_gathering
INSERT INTO treasury_gathering (id, chain) VALUES (%(id)s, %(chain)s);

-- name: insert_heaps
INSERT INTO treasury_gathered (gathering_id, address_id, branch, index, script, asset, amount)
SELECT %(id)s, * FROM unnest(
    %(addresses)s::text[], %(branches)s::bigint[], %(indexes)s::bigint[], %(scripts)s::bytea[], %(assets)s::text[],
    %(amounts)s::numeric[]
);

-- name: open_gatherings
SELECT id, chain, state, created_at FROM treasury_gathering WHERE chain = %(chain)s AND state = 'sent' ORDER BY created_at;

-- name: heaps
SELECT address_id, branch, index, script, asset, amount FROM treasury_gathered
WHERE gathering_id = %(id)s ORDER BY address_id, asset;

-- name: end_gathering
UPDATE treasury_gathering
SET state = %(state)s, txid = %(txid)s, height = %(height)s, reason = %(reason)s, ended_at = now()
WHERE id = %(id)s AND state = 'sent';

-- name: record_swept
UPDATE treasury_gathered SET left_over = %(left)s
WHERE gathering_id = %(id)s AND address_id = %(address)s AND asset = %(asset)s;

-- name: note_stuck
-- A token that will not move is tried again later, each time after a longer pause; it blocks no other.
INSERT INTO treasury_stuck (chain, address_id, asset, reason, retry_at)
VALUES (%(chain)s, %(address)s, %(asset)s, %(reason)s, %(now)s::timestamptz + interval '10 minutes')
ON CONFLICT (chain, address_id, asset) DO UPDATE SET tries = treasury_stuck.tries + 1, reason = excluded.reason,
    retry_at = %(now)s::timestamptz + least(interval '1 day', interval '10 minutes' * power(2, least(treasury_stuck.tries, 10)));

-- name: forget_stuck
DELETE FROM treasury_stuck WHERE chain = %(chain)s AND address_id = %(address)s AND asset = %(asset)s;

-- name: stuck_now
SELECT address_id, asset FROM treasury_stuck WHERE chain = %(chain)s AND retry_at > %(now)s;

-- name: note_waiting
-- What waits on forwarders, with its age; an asset that waits no more leaves.
INSERT INTO treasury_ungathered (chain, asset, amount, forwarders, since)
SELECT %(chain)s, * FROM unnest(%(assets)s::text[], %(amounts)s::numeric[], %(counts)s::integer[], %(sinces)s::timestamptz[])
ON CONFLICT (chain, asset) DO UPDATE SET amount = excluded.amount, forwarders = excluded.forwarders,
    since = CASE WHEN treasury_ungathered.amount > 0 THEN treasury_ungathered.since ELSE excluded.since END;

-- name: note_empty
UPDATE treasury_ungathered SET amount = 0, forwarders = 0 WHERE chain = %(chain)s AND NOT asset = ANY (%(assets)s::text[]);

-- name: waiting
SELECT chain, asset, amount, forwarders, since FROM treasury_ungathered
WHERE chain = coalesce(%(chain)s, chain) AND amount > 0 ORDER BY chain, asset;
