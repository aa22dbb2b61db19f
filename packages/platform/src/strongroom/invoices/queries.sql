-- name: insert_invoices
-- One statement for a batch. A request whose idempotency key was taken meanwhile inserts nothing and is looked up after.
INSERT INTO invoice (
    merchant_id, id, status, currency, price, asset, amount_due, amount_enough, rate_numerator, rate_denominator,
    rate_sources, rate_at, spread_ppm, address_id, address, reference, description, redirect_url, metadata, created_at,
    expires_at, monitor_seconds, due_at, idempotency_key, request_digest
)
SELECT
    merchant_id, id, 'new', currency, price, asset, amount_due, amount_enough, rate_numerator, rate_denominator,
    rate_sources, rate_at, spread_ppm, address_id, address, reference, description, redirect_url, metadata, created_at,
    expires_at, monitor_seconds, expires_at, idempotency_key, decode(request_digest, 'hex')
FROM jsonb_to_recordset(%(rows)s::jsonb) AS wanted (
    merchant_id text, id text, currency text, price numeric, asset text, amount_due numeric, amount_enough numeric,
    rate_numerator numeric, rate_denominator numeric, rate_sources text[], rate_at timestamptz, spread_ppm integer,
    address_id text, address text, reference text, description text, redirect_url text, metadata jsonb,
    created_at timestamptz, expires_at timestamptz, monitor_seconds integer, idempotency_key text, request_digest text
)
ON CONFLICT (merchant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING id;

-- name: stored_by_keys
SELECT invoice.*
FROM unnest(%(merchants)s::text[], %(keys)s::text[]) AS asked (merchant_id, idempotency_key)
JOIN LATERAL (
    SELECT * FROM invoice_with_payments AS known
    WHERE known.merchant_id = asked.merchant_id AND known.idempotency_key = asked.idempotency_key
) AS invoice ON true;

-- name: invoice
SELECT * FROM invoice_with_payments WHERE merchant_id = %(merchant_id)s AND id = %(id)s;

-- name: lock_invoice
SELECT id FROM invoice WHERE merchant_id = %(merchant_id)s AND id = %(id)s FOR UPDATE;

-- name: public_invoice
SELECT invoice.*, merchant.name AS merchant_name
FROM invoice_with_payments AS invoice JOIN merchant ON merchant.id = invoice.merchant_id
WHERE invoice.id = %(id)s;

-- name: invoices
SELECT * FROM invoice_with_payments
WHERE merchant_id = %(merchant_id)s
  AND (%(cursor)s::text IS NULL OR id < %(cursor)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY id DESC
LIMIT %(limit)s;

-- name: history
SELECT from_status, to_status, exception, reason, at FROM invoice_history
WHERE merchant_id = %(merchant_id)s AND invoice_id = %(id)s ORDER BY id;

-- name: record_payments
-- At most one word for each address in a batch; addresses of no invoice, and words that are not new, give no row.
SELECT invoice.*
FROM unnest(%(merchants)b::text[], %(addresses)b::text[], %(payments)b::text[]) WITH ORDINALITY
    AS told (merchant_id, address_id, payment, place)
CROSS JOIN LATERAL invoice_record_payment(told.merchant_id, told.address_id, told.payment::jsonb) AS invoice
ORDER BY told.place;

-- name: lock_due
SELECT merchant_id, id FROM invoice WHERE due_at <= %(now)s ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- name: make_due
UPDATE invoice SET due_at = %(now)s
WHERE asset = %(asset)s AND exception = 'depegged' AND reason IS DISTINCT FROM 'depegged';

-- name: invoices_of
SELECT invoice.*
FROM unnest(%(merchants)s::text[], %(ids)s::text[]) AS asked (merchant_id, id)
JOIN LATERAL (
    SELECT * FROM invoice_with_payments AS known WHERE known.merchant_id = asked.merchant_id AND known.id = asked.id
) AS invoice ON true;

-- name: save
-- What a decision changed, for one invoice or many, with the arrows it went along, and a call to the open pages.
WITH change AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(changes)s::jsonb) AS row (
        merchant_id text, id text, status text, exception text, reason text, amount_paid numeric, amount_pending numeric,
        processing_at timestamptz, vanished_at timestamptz, paid_at timestamptz, due_at timestamptz
    )
), updated AS (
    UPDATE invoice
    SET status = change.status, exception = change.exception, reason = change.reason,
        amount_paid = change.amount_paid, amount_pending = change.amount_pending,
        processing_at = change.processing_at, vanished_at = change.vanished_at, paid_at = change.paid_at,
        due_at = change.due_at
    FROM change
    WHERE invoice.merchant_id = change.merchant_id AND invoice.id = change.id
), told AS (
    INSERT INTO invoice_history (merchant_id, invoice_id, from_status, to_status, exception, reason, at)
    SELECT merchant_id, invoice_id, from_status, to_status, exception, reason, at
    FROM ROWS FROM (
        jsonb_to_recordset(%(steps)s::jsonb) AS (
            merchant_id text, invoice_id text, from_status text, to_status text, exception text, reason text, at timestamptz
        )
    ) WITH ORDINALITY AS step (merchant_id, invoice_id, from_status, to_status, exception, reason, at, place)
    ORDER BY place
)
SELECT pg_notify('invoice', id) FROM change;
