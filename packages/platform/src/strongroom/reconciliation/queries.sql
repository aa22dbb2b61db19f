-- Read on its own from the tables of the rooms that it audits: an audit that asks the audited proves little.

-- name: snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: holds
SELECT owner, asset, sum(amount - captured - released) AS units FROM ledger_hold WHERE state = 'open' GROUP BY owner, asset;

-- name: slots
SELECT id, state, txid FROM outbound_slot WHERE chain = %s ORDER BY id;

-- name: versions
SELECT version.slot_id, version.txid, version.fee, version.raw IS NOT NULL AS signed,
    coalesce((SELECT sum(output.amount) FROM outbound_own_output output
        WHERE output.slot_id = version.slot_id AND output.number = version.number AND output.key_set = 'cold'), 0) AS swept
FROM outbound_version version JOIN outbound_slot slot ON slot.id = version.slot_id
WHERE slot.chain = %s ORDER BY version.slot_id, version.number;

-- name: payments
SELECT payment.slot_id, payment.payout_id, payment.amount, encode(sha256(payment.intent), 'hex') AS intent
FROM outbound_payment payment JOIN outbound_slot slot ON slot.id = payment.slot_id
WHERE slot.chain = %s ORDER BY payment.slot_id, payment.position;

-- name: voids
SELECT signer, payout_id, encode(sha256(intent), 'hex') AS intent FROM outbound_void
WHERE chain = %s AND state = 'voided' AND signer <> '' ORDER BY payout_id;

-- name: uncredited
SELECT kind, below_minimum AND state = 'confirmed' AS below_minimum, sum(amount) AS amount, count(*) AS count FROM deposit
WHERE chain = %s AND state IN ('confirming', 'confirmed', 'held') GROUP BY 1, 2 ORDER BY 1, 2;

-- name: deposit_tip
SELECT block_hash FROM deposit_tip WHERE chain = %s;

-- name: outbound_height
SELECT height FROM outbound_height WHERE chain = %s;

-- name: kinds
SELECT script, kind FROM wallet_address WHERE chain = %s AND script = ANY(%s::bytea[]);

-- name: record
INSERT INTO reconciliation_run (at, clean, chains, journal_rows, differences) VALUES (%s, %s, %s, %s, %s::jsonb);

-- name: latest
SELECT at, clean, chains, journal_rows, differences FROM reconciliation_run ORDER BY id DESC LIMIT 1;
