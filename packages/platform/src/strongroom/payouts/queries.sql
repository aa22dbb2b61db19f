-- name: insert
INSERT INTO payout (
    merchant_id, id, kind, asset, chain, amount, fee, fee_ceiling, destination, tag, expires_at, hold_id, intent,
    public_key, signature
) VALUES (
    %(merchant)s, %(id)s, %(kind)s, %(asset)s, %(chain)s, %(amount)s, %(fee)s, %(fee_ceiling)s, %(destination)s, %(tag)s,
    %(expires_at)s, '', %(intent)s, %(public_key)s, %(signature)s
)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: set_hold
UPDATE payout SET hold_id = %(hold)s WHERE merchant_id = %(merchant)s AND id = %(id)s;

-- name: get
SELECT * FROM payout WHERE merchant_id = %(merchant)s AND id = %(id)s;

-- name: lock
SELECT * FROM payout WHERE merchant_id = %(merchant)s AND id = %(id)s FOR UPDATE;

-- name: list
SELECT * FROM payout
WHERE merchant_id = %(merchant)s AND (
    %(cursor)s::text IS NULL
    OR number < (SELECT number FROM payout WHERE merchant_id = %(merchant)s AND id = %(cursor)s)
)
ORDER BY number DESC
LIMIT %(limit)s;

-- name: move
UPDATE payout
SET state = %(state)s, reason = %(reason)s, reason_tag = %(tag)s, txid = coalesce(%(txid)s, txid),
    confirmed_height = %(height)s, updated_at = now()
WHERE merchant_id = %(merchant)s AND id = %(id)s;

-- name: set_reason
UPDATE payout SET reason = %(reason)s, reason_tag = %(tag)s, updated_at = now()
WHERE merchant_id = %(merchant)s AND id = %(id)s;

-- name: waiting_otherwise
-- Waiting payouts of these merchants that say they wait for a debt where there is none, or the other way round. Those with
-- a reason of another tag are on their way back to the merchant.
SELECT * FROM payout
WHERE merchant_id = ANY (%(merchants)s::text[]) AND asset = %(asset)s AND state IN ('queued', 'hot-short')
  AND reason_tag = CASE WHEN merchant_id = ANY (%(owing)s::text[]) THEN '' ELSE %(tag)s END
ORDER BY merchant_id, id
FOR UPDATE;

-- name: insert_moment
INSERT INTO payout_moment (merchant_id, payout_id, status, reason) VALUES (%(merchant)s, %(id)s, %(status)s, %(reason)s);

-- name: timeline
SELECT status, at, reason FROM payout_moment WHERE merchant_id = %(merchant)s AND payout_id = %(id)s ORDER BY id;
