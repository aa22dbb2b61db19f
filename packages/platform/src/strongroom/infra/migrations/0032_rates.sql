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

CREATE TRIGGER rate_observation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rate_observation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rate_quote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rate_quote
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rate_quote_wake AFTER INSERT ON rate_quote
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('rates');

GRANT SELECT ON rate_quote TO strongroom_api;
GRANT SELECT, INSERT ON rate_observation, rate_quote TO strongroom_worker;
