-- name: insert
INSERT INTO treasury_payable (
    payout_id, merchant_id, chain, asset, amount, fee, hold_id, script, intent, public_key, signature, expires_at,
    request_id
) VALUES (
    %(payout)s, %(merchant)s, %(chain)s, %(asset)s, %(amount)s, %(fee)s, %(hold)s, %(script)s, %(intent)s, %(key)s, %(signature)s,
    %(expires_at)s, %(request)s
)
ON CONFLICT (hold_id) DO NOTHING;

-- name: request
SELECT request_id FROM treasury_payable WHERE hold_id = %(hold)s;

-- name: take_turn
SELECT pg_try_advisory_xact_lock(hashtextextended('treasury ' || %(chain)s, 0)) AS mine;

-- name: queue
-- Oldest first, of each merchant's in turn: however many of one's cannot be paid now, they hide nobody else's. Those about
-- to expire are left to `due_to_expire`: a signer would refuse them, and bind others.
WITH turn AS (
    SELECT hold_id FROM (
        SELECT hold_id, enqueued_at, row_number() OVER (PARTITION BY merchant_id ORDER BY enqueued_at, hold_id) AS turn
        FROM treasury_payable
        WHERE chain = %(chain)s AND state = 'queued' AND retry_at <= %(now)s
          AND expires_at > %(margin)s AND NOT merchant_id = ANY (%(owing)s::text[])
          AND asset = coalesce(%(asset)s, asset)
    ) AS waiting
    ORDER BY turn, enqueued_at, hold_id
    LIMIT %(limit)s
)
SELECT payable.*, payable.solo OR NOT coalesce(trusted.trusted, false) AS alone
FROM treasury_payable AS payable
LEFT JOIN treasury_trusted AS trusted
    ON trusted.chain = payable.chain AND trusted.merchant_id = payable.merchant_id
WHERE payable.hold_id IN (SELECT hold_id FROM turn) AND payable.state = 'queued'
ORDER BY payable.enqueued_at, payable.hold_id
FOR UPDATE OF payable SKIP LOCKED;

-- name: queued_total
SELECT coalesce(sum(amount), 0) AS total FROM treasury_payable WHERE chain = %(chain)s AND state = 'queued';

-- name: lock
SELECT *, solo AS alone FROM treasury_payable WHERE hold_id = %(hold)s FOR UPDATE;

-- name: due_to_expire
SELECT hold_id FROM treasury_payable
WHERE chain = %(chain)s AND state = 'queued' AND expires_at <= %(now)s
ORDER BY expires_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;

-- name: slotted
UPDATE treasury_payable SET state = 'slotted', slot_id = %(slot)s, short = false
WHERE hold_id = ANY (%(holds)s::text[]) AND state = 'queued';

-- name: set_short
UPDATE treasury_payable SET short = %(short)s WHERE hold_id = ANY (%(holds)s::text[]) AND short <> %(short)s
RETURNING hold_id, payout_id, merchant_id, amount;

-- name: set_unproven
UPDATE treasury_payable SET unproven = %(unproven)s
WHERE hold_id = ANY (%(holds)s::text[]) AND unproven <> %(unproven)s
RETURNING hold_id, payout_id, merchant_id, amount;

-- name: being_signed
-- What is planned and not in every signer's books yet, by merchant.
SELECT payable.merchant_id, sum(payable.amount + payable.fee) AS total
FROM treasury_payable AS payable
JOIN outbound_slot AS slot ON slot.id = payable.slot_id
WHERE payable.state = 'slotted' AND slot.state = 'planned' AND payable.asset = %(asset)s
  AND payable.merchant_id = ANY (%(merchants)s::text[])
GROUP BY payable.merchant_id;

-- name: set_state
UPDATE treasury_payable SET state = %(state)s WHERE hold_id = %(hold)s;

-- name: queue_again
UPDATE treasury_payable
SET state = 'queued', solo = true, attempts = attempts + %(tries)s, retry_at = now() + make_interval(secs => %(seconds)s)
WHERE hold_id = %(hold)s AND state = 'slotted';

-- name: of_slot
SELECT *, solo AS alone FROM treasury_payable WHERE slot_id = %(slot)s AND state = 'slotted' ORDER BY hold_id FOR UPDATE;

-- name: measure_band
INSERT INTO treasury_band (chain, asset, held, high, above, since, measured_at)
VALUES (
    %(chain)s, %(asset)s, %(held)s, %(high)s, %(above)s, CASE WHEN %(above)s::numeric > 0 THEN %(now)s::timestamptz END, %(now)s
)
ON CONFLICT (chain, asset) DO UPDATE SET held = excluded.held, high = excluded.high, above = excluded.above,
    since = CASE WHEN excluded.above > 0 THEN coalesce(treasury_band.since, excluded.since) END,
    measured_at = excluded.measured_at
RETURNING *;

-- name: bands
SELECT chain, asset, held, high, above, since, measured_at FROM treasury_band
WHERE chain = coalesce(%(chain)s, chain) ORDER BY chain, asset;

-- name: trust
INSERT INTO treasury_trusted (chain, merchant_id, trusted)
SELECT %(chain)s, merchant_id, %(trusted)s FROM unnest(%(merchants)s::text[]) AS merchant_id
ON CONFLICT (chain, merchant_id) DO UPDATE SET trusted = excluded.trusted, changed_at = now()
WHERE treasury_trusted.trusted <> excluded.trusted;
