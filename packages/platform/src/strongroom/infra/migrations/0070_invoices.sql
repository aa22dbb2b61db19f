-- Invoices: a merchant's requests to be paid, what came for them, and every arrow they went along.

CREATE TABLE invoice (
    merchant_id text NOT NULL REFERENCES merchant (id),
    id text NOT NULL,
    status text NOT NULL CHECK (status IN ('new', 'processing', 'paid', 'expired', 'invalid')),
    exception text NOT NULL DEFAULT 'none'
        CHECK (exception IN ('none', 'underpaid', 'overpaid', 'paid-twice', 'late', 'wrong-asset', 'depegged')),
    reason text CHECK (reason IN ('cancelled', 'unconfirmed', 'payment-vanished', 'depegged')),
    currency text NOT NULL,                                     -- CAIP-19 of what the price is in, fiat or coin
    price numeric(78, 0) NOT NULL CHECK (price > 0),            -- in base units of currency
    asset text NOT NULL,
    amount_due numeric(78, 0) NOT NULL CHECK (amount_due > 0),  -- this and all below in base units of asset
    amount_enough numeric(78, 0) NOT NULL CHECK (amount_enough BETWEEN 1 AND amount_due),
    amount_paid numeric(78, 0) NOT NULL DEFAULT 0,
    amount_pending numeric(78, 0) NOT NULL DEFAULT 0,
    rate_numerator numeric(78, 0),
    rate_denominator numeric(78, 0),
    rate_sources text[] NOT NULL,
    rate_at timestamptz,
    spread_ppm integer NOT NULL,
    address_id text NOT NULL,
    address text NOT NULL,
    reference text,
    description text,
    redirect_url text,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    monitor_seconds integer NOT NULL,
    processing_at timestamptz,
    vanished_at timestamptz,
    paid_at timestamptz,
    due_at timestamptz,                                         -- when time alone moves it next; none: never
    idempotency_key text,
    request_digest bytea NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CHECK ((currency = asset) = (rate_numerator IS NULL)),
    CHECK ((rate_numerator IS NULL) = (rate_denominator IS NULL))
);
-- A checkout page knows the id only.
CREATE UNIQUE INDEX invoice_public ON invoice (id);
CREATE UNIQUE INDEX invoice_address ON invoice (merchant_id, address_id);
CREATE UNIQUE INDEX invoice_idempotency ON invoice (merchant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX invoice_depegged ON invoice (asset) WHERE exception = 'depegged';
CREATE INDEX invoice_due ON invoice (due_at) WHERE due_at IS NOT NULL;

-- The newest word about each deposit on an invoice's address. event_id is the outbox event that said it: events of one
-- deposit are written under its row's lock, so a greater id is a later word, and an older or repeated one is ignored.
CREATE TABLE invoice_payment (
    merchant_id text NOT NULL,
    invoice_id text NOT NULL,
    deposit_id text NOT NULL,
    event_id bigint NOT NULL,
    txid text NOT NULL,
    vout integer NOT NULL,
    asset text NOT NULL,                                        -- what came; it need not be the invoice's
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    state text NOT NULL
        CHECK (state IN ('seen', 'confirming', 'confirmed', 'held', 'credited', 'reversed', 'dropped')),
    cycle integer NOT NULL,
    confirmations integer NOT NULL,
    confirmations_needed integer,                               -- none: the chain itself says what is final
    below_minimum boolean NOT NULL,
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, invoice_id, deposit_id),
    FOREIGN KEY (merchant_id, invoice_id) REFERENCES invoice (merchant_id, id)
);

CREATE TABLE invoice_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id text NOT NULL,
    invoice_id text NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    exception text NOT NULL,
    reason text,
    at timestamptz NOT NULL
);
CREATE INDEX invoice_history_of ON invoice_history (merchant_id, invoice_id, id);
CREATE TRIGGER invoice_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoice_kept BEFORE DELETE OR TRUNCATE ON invoice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE VIEW invoice_with_payments WITH (security_invoker = true) AS
SELECT invoice.*, coalesce(paid.payments, '[]'::jsonb) AS payments
FROM invoice
LEFT JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_object(
            'deposit_id', deposit_id, 'txid', txid, 'vout', vout, 'asset', asset, 'amount', amount::text, 'state', state, 'cycle', cycle,
            'confirmations', confirmations, 'confirmations_needed', confirmations_needed,
            'below_minimum', below_minimum, 'first_seen_at', first_seen_at
        ) ORDER BY first_seen_at, deposit_id
    ) AS payments
    FROM invoice_payment AS payment
    WHERE payment.merchant_id = invoice.merchant_id AND payment.invoice_id = invoice.id
) AS paid ON true;

CREATE FUNCTION invoice_record_payment(p_merchant_id text, p_address_id text, p_payment jsonb)
RETURNS SETOF invoice_with_payments LANGUAGE plpgsql AS $$
DECLARE
    found_id text;
    told invoice_payment := jsonb_populate_record(NULL::invoice_payment, p_payment);
BEGIN
    SELECT id INTO found_id FROM invoice
    WHERE merchant_id = p_merchant_id AND address_id = p_address_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO invoice_payment AS known VALUES (
        p_merchant_id, found_id, told.deposit_id, told.event_id, told.txid, told.vout, told.asset, told.amount, told.state, told.cycle,
        told.confirmations, told.confirmations_needed, told.below_minimum, told.first_seen_at
    )
    ON CONFLICT (merchant_id, invoice_id, deposit_id) DO UPDATE
    SET event_id = excluded.event_id, state = excluded.state, cycle = excluded.cycle,
        confirmations = excluded.confirmations, confirmations_needed = excluded.confirmations_needed,
        below_minimum = excluded.below_minimum
    WHERE known.event_id < excluded.event_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_notify('invoice', found_id);
    RETURN QUERY SELECT * FROM invoice_with_payments WHERE merchant_id = p_merchant_id AND id = found_id;
END $$;
COMMENT ON FUNCTION invoice_record_payment IS
    'Locks the invoice of an address, notes a deposit''s newest word, wakes its pages, and gives the invoice; no row where there is nothing new';

GRANT SELECT ON invoice, invoice_payment, invoice_history, invoice_with_payments TO strongroom_api, strongroom_worker;
GRANT INSERT ON invoice TO strongroom_api;
GRANT UPDATE (status, exception, reason, amount_paid, amount_pending, processing_at, vanished_at, paid_at, due_at)
    ON invoice TO strongroom_api, strongroom_worker;
GRANT INSERT ON invoice_history TO strongroom_api, strongroom_worker;
GRANT INSERT, UPDATE ON invoice_payment TO strongroom_worker;
GRANT EXECUTE ON FUNCTION invoice_record_payment TO strongroom_worker;
