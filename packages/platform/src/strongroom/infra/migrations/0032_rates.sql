-- Prices: what each source said, and what was made of it. Both are the record that an invoice's locked rate is judged by,
-- so neither is ever changed. A price is a ratio of two integers: whole units of fiat for one whole unit of the asset.

CREATE TABLE rate_observation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    asset text NOT NULL,
    fiat text NOT NULL,
    numerator numeric(78, 0) NOT NULL CHECK (numerator > 0),
    denominator numeric(78, 0) NOT NULL CHECK (denominator > 0),
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rate_observation_latest ON rate_observation (asset, fiat, source, id DESC);

CREATE TABLE rate_quote (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset text NOT NULL,
    fiat text NOT NULL,
    -- The stable code of the reason where no price could be agreed; then there is no price.
    refusal text,
    numerator numeric(78, 0) CHECK (numerator > 0),
    denominator numeric(78, 0) CHECK (denominator > 0),
    sources text[] NOT NULL,
    observation_ids bigint[] NOT NULL,
    quoted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK ((refusal IS NULL) = (numerator IS NOT NULL)),
    CHECK ((numerator IS NULL) = (denominator IS NULL))
);
CREATE INDEX rate_quote_latest ON rate_quote (asset, fiat, id DESC);

-- How each stablecoin stands to the currency that it stands for: the newest verdict only. The prices that it was judged by
-- are in rate_quote and rate_observation, and every change of the stand is an outbox event.
CREATE TABLE rate_par (
    asset text PRIMARY KEY,
    fiat text NOT NULL,
    stand text NOT NULL CHECK (stand IN ('unknown', 'at-par', 'depegged')),
    since timestamptz NOT NULL,
    numerator numeric(78, 0) CHECK (numerator > 0),
    denominator numeric(78, 0) CHECK (denominator > 0),
    priced_at timestamptz,
    calm_since timestamptz,
    CHECK ((numerator IS NULL) = (denominator IS NULL)),
    CHECK ((stand = 'unknown') = (numerator IS NULL)),
    CHECK (calm_since IS NULL OR stand = 'depegged')
);

CREATE TRIGGER rate_observation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rate_observation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rate_quote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rate_quote
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rate_quote_wake AFTER INSERT ON rate_quote
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('rates');

GRANT SELECT ON rate_quote, rate_par TO strongroom_api;
GRANT SELECT, INSERT ON rate_observation, rate_quote TO strongroom_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_par TO strongroom_worker;
