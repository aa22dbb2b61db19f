-- name: insert_coin
INSERT INTO outbound_coin (slot_id, first_version, chain, txid, vout, amount, branch, index)
VALUES (%(slot)s, 1, %(chain)s, %(safe)s, %(nonce)s, 0, 0, 0);

-- name: insert_own_outputs
INSERT INTO outbound_own_output (slot_id, number, position, script, amount, key_set, branch, index, asset)
SELECT %(slot)s, 1, place - 1, script, amount, key_set, 0, 0, asset
FROM unnest(%(scripts)s::bytea[], %(amounts)s::numeric[], %(key_sets)s::text[], %(assets)s::text[])
    WITH ORDINALITY AS output (script, amount, key_set, asset, place);

-- name: slot_of_effect
-- The slot that an execution is of, by its safeTxHash alone: one that stands before one that was given up.
SELECT slot.id FROM outbound_version AS version
JOIN outbound_slot AS slot ON slot.id = version.slot_id AND slot.chain = %(chain)s
WHERE version.txid = %(effect)s
ORDER BY slot.state = 'abandoned', slot.created_at DESC, slot.id DESC
LIMIT 1;

-- name: others_at
-- Other open slots at a nonce that is used up.
SELECT slot.id FROM outbound_coin AS coin JOIN outbound_slot AS slot ON slot.id = coin.slot_id
WHERE coin.chain = %(chain)s AND coin.txid = %(safe)s AND coin.vout = %(nonce)s
  AND slot.state NOT IN ('final', 'abandoned') AND slot.id <> %(slot)s
ORDER BY slot.id;

-- name: planned_for_others
-- The same Safe transaction planned before for other payouts: two payments of one amount to one address look the same, and
-- a signer that has seen the bytes for one of them would refuse them for the other.
SELECT EXISTS (
    SELECT FROM outbound_version AS version
    WHERE version.txid = %(txid)s AND (
        SELECT array_agg(payment.hold_id ORDER BY payment.hold_id) FROM outbound_payment AS payment
        WHERE payment.slot_id = version.slot_id
    ) IS DISTINCT FROM %(holds)s::text[]
) AS found;

-- name: to_measure
SELECT slot.id FROM outbound_slot AS slot
WHERE slot.chain = %(chain)s AND slot.state = 'confirmed'
  AND EXISTS (SELECT FROM outbound_payment AS payment WHERE payment.slot_id = slot.id)
  AND NOT EXISTS (
      SELECT FROM safe_measure AS measure
      WHERE measure.slot_id = slot.id AND measure.block_hash = slot.confirmed_hash
  )
ORDER BY slot.confirmed_height, slot.id;

-- name: in_block
SELECT id FROM outbound_slot
WHERE chain = %(chain)s AND confirmed_hash = %(hash)s AND state IN ('confirmed', 'final') ORDER BY id;

-- name: insert_measures
INSERT INTO safe_measure (slot_id, block_hash, asset, expected, left_hot, received)
SELECT %(slot)s, %(hash)s, * FROM unnest(%(assets)s::text[], %(expected)s::numeric[], %(left)s::numeric[], %(received)s::numeric[])
ON CONFLICT DO NOTHING;

-- name: measures
SELECT asset, expected, left_hot, received FROM safe_measure
WHERE slot_id = %(slot)s AND block_hash = %(hash)s ORDER BY asset;

-- name: insert_handover
INSERT INTO safe_handover (slot_id, number, attempt) VALUES (%(slot)s, %(number)s, %(attempt)s);

-- name: handovers
SELECT number, attempt FROM safe_handover WHERE slot_id = %(slot)s ORDER BY number, attempt;

-- name: is_due
SELECT retry_at <= now() AS due FROM outbound_slot WHERE id = %(slot)s;

-- name: insert_cold
INSERT INTO safe_cold (chain, effect, nonce, kind, asset, amount)
VALUES (%(chain)s, %(effect)s, %(nonce)s, %(kind)s, %(asset)s, %(amount)s)
ON CONFLICT (chain, effect) DO NOTHING;

-- name: cold_executed
UPDATE safe_cold SET txid = %(txid)s, height = %(height)s, block_hash = %(hash)s
WHERE chain = %(chain)s AND effect = %(effect)s AND state <> 'final';

-- name: cold_undone
UPDATE safe_cold SET txid = NULL, height = NULL, block_hash = NULL
WHERE chain = %(chain)s AND block_hash = %(hash)s AND state <> 'final';

-- name: cold_deep
SELECT effect, nonce, kind, asset, amount, txid FROM safe_cold
WHERE chain = %(chain)s AND state <> 'final' AND height <= %(height)s ORDER BY nonce FOR UPDATE;

-- name: cold_final
UPDATE safe_cold SET state = 'final', reason = '' WHERE chain = %(chain)s AND effect = %(effect)s;

-- name: cold_leaving
SELECT coalesce(sum(amount), 0) AS leaving FROM safe_cold
WHERE chain = %(chain)s AND asset = %(asset)s AND kind = 'withdrawal' AND state = 'sent' AND nonce <> %(nonce)s;

-- name: cold_passed
-- A Safe executes its nonces in order: what no block has at this one or before it never will be.
UPDATE safe_cold SET state = 'passed', reason = 'another transaction of the cold Safe has used its nonce'
WHERE chain = %(chain)s AND nonce <= %(nonce)s AND state = 'sent' AND height IS NULL;

-- name: cold_reason
UPDATE safe_cold SET reason = %(reason)s WHERE chain = %(chain)s AND effect = %(effect)s;
