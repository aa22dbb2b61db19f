-- name: insert_slot
INSERT INTO outbound_slot (id, chain, kind, request_id) VALUES (%(id)s, %(chain)s, %(kind)s, %(request)s);

-- name: request
SELECT request_id FROM outbound_slot WHERE id = %(slot)s;

-- name: insert_version
INSERT INTO outbound_version (slot_id, number, psbt, txid, fee, virtual_bytes, rate)
VALUES (%(slot)s, %(number)s, %(psbt)s, %(txid)s, %(fee)s, %(virtual_bytes)s, %(rate)s);

-- name: insert_coins
INSERT INTO outbound_coin (slot_id, first_version, chain, txid, vout, amount, branch, index)
SELECT %(slot)s, %(number)s, %(chain)s, txid, vout, amount, branch, index
FROM unnest(%(txids)s::text[], %(vouts)s::integer[], %(amounts)s::numeric[], %(branches)s::bigint[], %(indexes)s::bigint[])
    AS coin (txid, vout, amount, branch, index)
ON CONFLICT (slot_id, txid, vout) DO NOTHING;

-- name: insert_own_outputs
INSERT INTO outbound_own_output (slot_id, number, position, script, amount, key_set, branch, index)
SELECT %(slot)s, %(number)s, place - 1, script, amount, key_set, branch, index
FROM unnest(%(scripts)s::bytea[], %(amounts)s::numeric[], %(key_sets)s::text[], %(branches)s::bigint[], %(indexes)s::bigint[])
    WITH ORDINALITY AS output (script, amount, key_set, branch, index, place);

-- name: insert_payments
INSERT INTO outbound_payment (
    slot_id, position, merchant_id, payout_id, asset, amount, fee, hold_id, script, intent, public_key, signature
)
SELECT %(slot)s, place - 1, merchant_id, payout_id, asset, amount, fee, hold_id, script, intent, public_key, signature
FROM unnest(
    %(merchants)s::text[], %(payouts)s::text[], %(assets)s::text[], %(amounts)s::numeric[], %(fees)s::numeric[], %(holds)s::text[],
    %(scripts)s::bytea[], %(intents)s::bytea[], %(keys)s::bytea[], %(signatures)s::bytea[]
) WITH ORDINALITY
    AS payment (merchant_id, payout_id, asset, amount, fee, hold_id, script, intent, public_key, signature, place);

-- name: raise_version
UPDATE outbound_slot SET version = %(number)s, attempts = 0, retry_at = now(), updated_at = now() WHERE id = %(slot)s;

-- name: slot
SELECT * FROM outbound_slot WHERE id = %(slot)s;

-- name: lock_slot
SELECT * FROM outbound_slot WHERE id = %(slot)s FOR UPDATE;

-- name: versions
SELECT * FROM outbound_version WHERE slot_id = %(slot)s ORDER BY number;

-- name: coins
SELECT txid, vout, amount, branch, index, first_version FROM outbound_coin WHERE slot_id = %(slot)s ORDER BY txid, vout;

-- name: payments
SELECT * FROM outbound_payment WHERE slot_id = %(slot)s ORDER BY position;

-- name: own_outputs
SELECT * FROM outbound_own_output WHERE slot_id = %(slot)s ORDER BY number, position;

-- name: answers
SELECT signer, number, state, psbt, tag, reason FROM outbound_answer WHERE slot_id = %(slot)s ORDER BY number, signer;

-- name: due_to_sign
-- A version to be signed: the first one of a planned slot, or the replacement of one that is broadcast.
SELECT slot.id FROM outbound_slot AS slot
JOIN outbound_version AS version ON version.slot_id = slot.id AND version.number = slot.version
WHERE slot.chain = %(chain)s AND slot.state IN ('planned', 'signed', 'broadcast') AND version.state = 'planned'
  AND slot.retry_at <= now() AND slot.conflict_txid IS NULL
  AND NOT EXISTS (SELECT FROM outbound_void AS void WHERE void.slot_id = slot.id)
ORDER BY slot.created_at, slot.id
LIMIT %(limit)s;

-- name: due_to_broadcast
SELECT slot.id FROM outbound_slot AS slot
WHERE slot.chain = %(chain)s AND slot.retry_at <= now() AND slot.conflict_txid IS NULL
  AND (
      slot.state = 'signed'
      OR slot.state = 'broadcast' AND EXISTS (
          SELECT FROM outbound_version AS version WHERE version.slot_id = slot.id AND version.state = 'signed'
      )
  )
ORDER BY slot.created_at, slot.id
LIMIT %(limit)s;

-- name: due_to_rebroadcast
SELECT id FROM outbound_slot
WHERE chain = %(chain)s AND state = 'broadcast' AND conflict_txid IS NULL AND updated_at < now() - %(every)s
ORDER BY updated_at
LIMIT %(limit)s;

-- name: touch
UPDATE outbound_slot SET updated_at = now(), reason = coalesce(%(reason)s, reason) WHERE id = %(slot)s;

-- name: wait
UPDATE outbound_slot SET reason = %(reason)s, attempts = attempts + 1, retry_at = now() + make_interval(secs => %(seconds)s)
WHERE id = %(slot)s;

-- name: set_state
UPDATE outbound_slot
SET state = %(state)s, reason = %(reason)s, attempts = 0, retry_at = now(), updated_at = now()
WHERE id = %(slot)s;

-- name: insert_history
INSERT INTO outbound_history (slot_id, arrow, reason) VALUES (%(slot)s, %(arrow)s, %(reason)s);

-- name: history
SELECT at, arrow, reason FROM outbound_history WHERE slot_id = %(slot)s ORDER BY id;

-- name: set_broadcast
UPDATE outbound_slot SET txid = %(txid)s, broadcast_height = %(height)s, bumps_refused = 0, bump_height = NULL,
    updated_at = now()
WHERE id = %(slot)s;

-- name: bump_refused
-- The next replacement is due after as many blocks as a stuck slot waits, twice as many each time.
UPDATE outbound_slot AS slot SET reason = %(reason)s, bumps_refused = bumps_refused + 1, attempts = 0, retry_at = now(),
    bump_height = coalesce((SELECT height FROM outbound_height WHERE chain = slot.chain), 0)
        + %(blocks)s * (1 << least(bumps_refused, 6))
WHERE id = %(slot)s
RETURNING bump_height;

-- name: miss_coins
UPDATE outbound_slot SET missing_height = coalesce(missing_height, %(height)s),
    reason = 'a coin of it is not on the chain any more'
WHERE id = %(slot)s
RETURNING missing_height;

-- name: found_coins
UPDATE outbound_slot SET missing_height = NULL, reason = '' WHERE id = %(slot)s AND missing_height IS NOT NULL;

-- name: waiting_sweeps
SELECT id FROM outbound_slot
WHERE chain = %(chain)s AND kind = 'sweep' AND state NOT IN ('final', 'abandoned') AND confirmed_height IS NULL
ORDER BY id;

-- name: leaving_hot
SELECT coalesce(sum(own.amount), 0) AS amount FROM outbound_slot AS slot
JOIN outbound_own_output AS own ON own.slot_id = slot.id AND own.number = slot.version AND own.key_set = 'cold'
WHERE slot.chain = %(chain)s AND slot.state NOT IN ('final', 'abandoned') AND slot.confirmed_height IS NULL
  AND slot.missing_height IS NULL;

-- name: waiting_voids
SELECT payout_id, merchant_id, attempts, detail, created_at FROM outbound_void
WHERE chain = %(chain)s AND state = 'wanted' ORDER BY created_at, hold_id LIMIT %(limit)s;

-- name: set_version_state
UPDATE outbound_version SET state = %(state)s WHERE slot_id = %(slot)s AND number = %(number)s;

-- name: set_raw
UPDATE outbound_version SET state = 'signed', raw = %(raw)s WHERE slot_id = %(slot)s AND number = %(number)s;

-- name: settle_versions
UPDATE outbound_version
SET state = CASE WHEN txid = %(txid)s THEN 'final' WHEN raw IS NULL THEN 'abandoned' ELSE 'replaced' END
WHERE slot_id = %(slot)s;

-- name: abandon_versions
UPDATE outbound_version SET state = 'abandoned' WHERE slot_id = %(slot)s;

-- name: free_coins
UPDATE outbound_coin SET open = false WHERE slot_id = %(slot)s;

-- name: free_payments
UPDATE outbound_payment SET open = false WHERE slot_id = %(slot)s;

-- name: asked
INSERT INTO outbound_answer (slot_id, number, signer, state) VALUES (%(slot)s, %(number)s, %(signer)s, 'asked')
ON CONFLICT (slot_id, number, signer) DO UPDATE SET state = 'asked', asked_at = now()
WHERE outbound_answer.state = 'refused';

-- name: answered
UPDATE outbound_answer
SET state = %(state)s, psbt = %(psbt)s, tag = %(tag)s, reason = %(reason)s, payout_id = %(payout)s, row = %(row)s,
    answered_at = now()
WHERE slot_id = %(slot)s AND number = %(number)s AND signer = %(signer)s AND state <> 'signed';

-- name: note_signer
INSERT INTO outbound_signer (name, state, detail, rows) VALUES (%(name)s, %(state)s, %(detail)s, %(rows)s)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, detail = excluded.detail, checked_at = now(),
    rows = CASE WHEN excluded.state = 'unreachable' THEN outbound_signer.rows ELSE excluded.rows END;

-- name: note_refusal
UPDATE outbound_signer SET refused_at = now() WHERE name = %(name)s;

-- name: signers
SELECT name, state, detail, rows, checked_at, refused_at FROM outbound_signer ORDER BY name;

-- name: open_coins
SELECT txid, vout FROM outbound_coin WHERE chain = %(chain)s AND open;

-- name: insert_void
INSERT INTO outbound_void (
    payout_id, merchant_id, chain, slot_id, amount, fee, hold_id, script, intent, public_key, signature,
    outcome, tag, reason, signer
) VALUES (
    %(payout)s, %(merchant)s, %(chain)s, %(slot)s, %(amount)s, %(fee)s, %(hold)s, %(script)s, %(intent)s, %(key)s,
    %(signature)s, %(outcome)s, %(tag)s, %(reason)s, %(signer)s
)
ON CONFLICT (hold_id) DO NOTHING;

-- name: due_voids
SELECT hold_id FROM outbound_void
WHERE chain = %(chain)s AND state = 'wanted' AND retry_at <= now()
ORDER BY created_at, hold_id
LIMIT %(limit)s;

-- name: void
SELECT * FROM outbound_void WHERE hold_id = %(hold)s;

-- name: lock_void
SELECT * FROM outbound_void WHERE hold_id = %(hold)s FOR UPDATE;

-- name: voided
UPDATE outbound_void SET state = 'voided', signer = %(signer)s, row = %(row)s, detail = '', voided_at = now()
WHERE hold_id = %(hold)s;

-- name: postpone_void
UPDATE outbound_void
SET detail = %(detail)s, attempts = attempts + 1, retry_at = now() + make_interval(secs => %(seconds)s)
WHERE hold_id = %(hold)s;

-- name: moot_voids
-- The slot has ended on the chain: paid, or its coins gone for good. No promise is needed any more.
UPDATE outbound_void SET state = 'moot', detail = 'its chain tx was decided by the chain'
WHERE state = 'wanted' AND hold_id IN (SELECT hold_id FROM outbound_payment WHERE slot_id = %(slot)s);

-- name: moot_void
UPDATE outbound_void SET state = 'moot', detail = %(detail)s WHERE hold_id = %(hold)s AND state = 'wanted';

-- name: open_voids_of_slot
SELECT count(*) AS count FROM outbound_void WHERE slot_id = %(slot)s AND state = 'wanted';

-- name: signed_by
SELECT DISTINCT answer.signer FROM outbound_answer AS answer
JOIN outbound_payment AS payment ON payment.slot_id = answer.slot_id
WHERE payment.hold_id = %(hold)s AND answer.state = 'signed';

-- name: was_sent
SELECT EXISTS (
    SELECT FROM outbound_payment AS payment JOIN outbound_answer AS answer ON answer.slot_id = payment.slot_id
    WHERE payment.hold_id = %(hold)s
) AS sent;

-- name: open_slot_of
SELECT slot_id FROM outbound_payment WHERE hold_id = %(hold)s AND open;

-- name: slots_spending
-- Slots with their first coins among those that a chain tx spends: whatever spends one of them excludes every version.
-- And the slot that this chain tx is a version of, though it was given up before.
SELECT slot.id FROM unnest(%(txids)s::text[], %(vouts)s::integer[]) AS spent (txid, vout)
JOIN outbound_coin AS coin
    ON coin.chain = %(chain)s AND coin.txid = spent.txid AND coin.vout = spent.vout AND coin.first_version = 1
JOIN outbound_slot AS slot ON slot.id = coin.slot_id AND slot.state NOT IN ('final', 'abandoned')
UNION
SELECT slot.id FROM outbound_version AS version
JOIN outbound_slot AS slot ON slot.id = version.slot_id AND slot.chain = %(chain)s AND slot.state <> 'final'
WHERE version.txid = %(spender)s;

-- name: reopen_coins
-- Of a slot that came back: those that no other open slot spends by now.
UPDATE outbound_coin AS coin SET open = true
WHERE coin.slot_id = %(slot)s AND NOT EXISTS (
    SELECT FROM outbound_coin AS other
    WHERE other.chain = coin.chain AND other.txid = coin.txid AND other.vout = coin.vout AND other.open
);

-- name: set_suspense
UPDATE outbound_payment SET suspense_key = %(key)s WHERE slot_id = %(slot)s AND hold_id = %(hold)s;

-- name: slots_on_outputs
SELECT DISTINCT slot_id AS id FROM outbound_coin WHERE chain = %(chain)s AND txid = ANY (%(txids)s::text[]) AND open AND first_version = 1;

-- name: slots_in_block
SELECT id FROM outbound_slot
WHERE chain = %(chain)s AND state NOT IN ('final', 'abandoned') AND (confirmed_hash = %(hash)s OR conflict_hash = %(hash)s);

-- name: confirm
UPDATE outbound_slot SET txid = %(txid)s, confirmed_height = %(height)s, confirmed_hash = %(hash)s,
    conflict_txid = NULL, conflict_height = NULL, conflict_hash = NULL
WHERE id = %(slot)s;

-- name: unconfirm
UPDATE outbound_slot SET confirmed_height = NULL, confirmed_hash = NULL,
    conflict_txid = NULL, conflict_height = NULL, conflict_hash = NULL
WHERE id = %(slot)s;

-- name: conflict
UPDATE outbound_slot SET conflict_txid = %(txid)s, conflict_height = %(height)s, conflict_hash = %(hash)s,
    reason = %(reason)s, updated_at = now()
WHERE id = %(slot)s;

-- name: deep_enough
SELECT id FROM outbound_slot
WHERE chain = %(chain)s AND state NOT IN ('final', 'abandoned')
  AND (state = 'confirmed' AND confirmed_height <= %(height)s OR conflict_height <= %(height)s)
ORDER BY id;

-- name: set_height
INSERT INTO outbound_height (chain, height, event_id) VALUES (%(chain)s, %(height)s, %(event)s)
ON CONFLICT (chain) DO UPDATE SET height = excluded.height, event_id = excluded.event_id;

-- name: block_event
SELECT event_id FROM outbound_height WHERE chain = %(chain)s;

-- name: height
SELECT height FROM outbound_height WHERE chain = %(chain)s;

-- name: stuck
-- Broadcast for so many blocks, with no replacement under way, and nothing of it spent by another open slot.
SELECT slot.id FROM outbound_slot AS slot
JOIN outbound_version AS version ON version.slot_id = slot.id AND version.number = slot.version
WHERE slot.chain = %(chain)s AND slot.state = 'broadcast' AND version.state IN ('broadcast', 'abandoned')
  AND slot.broadcast_height <= %(height)s AND slot.conflict_txid IS NULL AND slot.missing_height IS NULL
  AND coalesce(slot.bump_height, 0) <= %(tip)s
  AND NOT EXISTS (
      SELECT FROM outbound_coin AS child JOIN outbound_version AS mine ON mine.txid = child.txid
      WHERE mine.slot_id = slot.id AND child.open AND child.chain = slot.chain
  )
ORDER BY slot.created_at
LIMIT %(limit)s;

-- name: open_slots
SELECT id FROM outbound_slot WHERE chain = %(chain)s AND state NOT IN ('final', 'abandoned') ORDER BY created_at, id;

-- name: open_of_kind
SELECT count(*) AS count FROM outbound_slot
WHERE chain = %(chain)s AND kind = %(kind)s AND state NOT IN ('final', 'abandoned');

-- name: waiting_of_kind
SELECT count(*) AS count FROM outbound_slot
WHERE chain = %(chain)s AND kind = %(kind)s AND state NOT IN ('final', 'abandoned') AND confirmed_height IS NULL
  AND missing_height IS NULL;

-- name: latest_of_kind
SELECT max(updated_at) AS at FROM outbound_slot WHERE chain = %(chain)s AND kind = %(kind)s AND state = 'abandoned';

-- name: pending_change
SELECT coalesce(sum(own.amount), 0) AS amount FROM outbound_slot AS slot
JOIN outbound_own_output AS own ON own.slot_id = slot.id AND own.number = slot.version
WHERE slot.chain = %(chain)s AND slot.state NOT IN ('final', 'abandoned') AND slot.confirmed_height IS NULL
  AND own.key_set = 'hot';

-- name: in_flight
SELECT coalesce(sum(payment.amount), 0) AS amount FROM outbound_payment AS payment
JOIN outbound_slot AS slot ON slot.id = payment.slot_id
WHERE slot.chain = %(chain)s AND slot.state IN ('signed', 'broadcast', 'confirmed');

-- name: set_reason
UPDATE outbound_slot SET reason = %(reason)s, updated_at = now() WHERE id = %(slot)s;

-- name: void_wanted
SELECT hold_id FROM outbound_void WHERE hold_id = ANY (%(holds)s::text[]);
