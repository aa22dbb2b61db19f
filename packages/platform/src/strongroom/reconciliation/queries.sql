-- Read on its own from the tables of the rooms that it audits: an audit that asks the audited proves little.

-- name: snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: holds
SELECT owner, asset, sum(amount - captured - released) AS units FROM ledger_hold WHERE state = 'open' GROUP BY owner, asset;

-- name: slots
-- The version that is on the chain; of an EVM chain the slot has the txid of whoever executed it.
SELECT slot.id, slot.state, coalesce(version.txid, slot.txid) AS txid FROM outbound_slot AS slot
LEFT JOIN outbound_version AS version
    ON version.slot_id = slot.id AND version.number = 1 AND starts_with(slot.chain, 'eip155:')
WHERE slot.chain = %s ORDER BY slot.id;

-- name: movements
SELECT own.slot_id, own.number, own.key_set, own.asset, own.amount FROM outbound_own_output AS own
JOIN outbound_slot AS slot ON slot.id = own.slot_id
WHERE slot.chain = %s AND own.asset <> '' ORDER BY own.slot_id, own.number, own.position;

-- name: forwarders
-- Those that hold something by the deposits' record, and the newest handed out: what nobody recorded may be there.
SELECT DISTINCT address.script FROM deposit JOIN wallet_address AS address ON address.id = deposit.address_id
WHERE deposit.chain = %(chain)s AND deposit.asset = %(asset)s AND deposit.emptied_by IS NULL AND deposit.height IS NOT NULL
UNION
(SELECT script FROM wallet_address WHERE chain = %(chain)s AND handed_out_at IS NOT NULL
 ORDER BY handed_out_at DESC, id DESC LIMIT %(newest)s);

-- name: cold_moves
-- What the cold Safe's owners moved by hand, in a block and not booked yet.
SELECT kind, asset, amount, txid FROM safe_cold
WHERE chain = %s AND height IS NOT NULL AND state <> 'final' AND kind <> 'limit' ORDER BY nonce;

-- name: relay_gas
SELECT coalesce(sum(fee), 0) AS wei FROM outbound_relay_nonce WHERE chain = %s AND state = 'final';

-- name: relayers
-- Every account that ever paid gas: what its chain txs up to a block have cost, its lowest nonce that is still open, and
-- the gas capital that is known.
SELECT relayer.address, nonce.spent, nonce.lowest_open, gas.capital, gas.entries
FROM outbound_relayer AS relayer
CROSS JOIN LATERAL (
    SELECT coalesce(sum(fee) FILTER (WHERE state IN ('mined', 'final') AND mined_height <= %(height)s), 0) AS spent,
        min(nonce) FILTER (WHERE state = 'open') AS lowest_open
    FROM outbound_relay_nonce AS n WHERE n.chain = relayer.chain AND n.relayer = relayer.address
) AS nonce
CROSS JOIN LATERAL (
    SELECT coalesce(sum(CASE kind WHEN 'paid-in' THEN amount ELSE -amount END), 0) AS capital, count(*) AS entries
    FROM reconciliation_gas AS g WHERE g.chain = relayer.chain AND g.relayer = relayer.address
) AS gas
WHERE relayer.chain = %(chain)s ORDER BY relayer.position, relayer.address;

-- name: paid_in
INSERT INTO reconciliation_gas (chain, relayer, number, kind, amount, height, block_hash, by)
VALUES (%(chain)s, %(relayer)s, %(number)s, 'paid-in', %(amount)s, %(height)s, %(hash)s, 'reconciliation')
ON CONFLICT (chain, relayer, number) DO NOTHING;

-- name: taken_out
-- Never more than there is, by what is known.
INSERT INTO reconciliation_gas (chain, relayer, number, kind, amount, reason, by)
SELECT %(chain)s, %(relayer)s, max(number) + 1, 'taken-out', %(amount)s, %(reason)s, %(by)s
FROM reconciliation_gas WHERE chain = %(chain)s AND relayer = %(relayer)s
HAVING sum(CASE kind WHEN 'paid-in' THEN amount ELSE -amount END) >= %(amount)s
RETURNING number;

-- name: versions
SELECT version.slot_id, version.number, version.txid, version.fee, version.signed,
    coalesce((SELECT sum(output.amount) FROM outbound_own_output output
        WHERE output.slot_id = version.slot_id AND output.number = version.number AND output.key_set = 'cold'), 0) AS swept
FROM outbound_version version JOIN outbound_slot slot ON slot.id = version.slot_id
WHERE slot.chain = %s ORDER BY version.slot_id, version.number;

-- name: payments
SELECT payment.slot_id, payment.payout_id, payment.asset, payment.amount, encode(sha256(payment.intent), 'hex') AS intent
FROM outbound_payment payment JOIN outbound_slot slot ON slot.id = payment.slot_id
WHERE slot.chain = %s ORDER BY payment.slot_id, payment.position;

-- name: voids
SELECT signer, payout_id, encode(sha256(intent), 'hex') AS intent FROM outbound_void
WHERE chain = %s AND state = 'voided' AND signer <> '' ORDER BY payout_id;

-- name: uncredited
SELECT asset, kind, below_minimum AND state = 'confirmed' AS below_minimum, sum(amount) AS amount, count(*) AS count
FROM deposit
WHERE chain = %s AND state IN ('confirming', 'confirmed', 'held') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

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
