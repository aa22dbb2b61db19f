-- Merchants (tenants) and their API tokens.

CREATE TABLE merchant (
    id text PRIMARY KEY,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    -- The branch of every key set that this merchant's addresses are on: 2 + n; 0 is change, 1 the house. An unhardened
    -- BIP 32 index ends at 2^31 - 1, and so does this type. A rolled-back creation leaves a gap, which costs nothing.
    branch integer GENERATED ALWAYS AS IDENTITY (START WITH 2 MINVALUE 2) UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_token (
    id text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchant (id),
    -- SHA-256 of the whole token text. The secret has 256 random bits, so there is nothing that a slow hash would add.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    scopes text[] NOT NULL,
    label text NOT NULL CHECK (char_length(label) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    -- The same key and request again gives this token, never its text: of that only the digest is kept.
    idempotency_key text,
    request_digest bytea,
    UNIQUE (merchant_id, idempotency_key),
    CHECK ((idempotency_key IS NULL) = (request_digest IS NULL))
);
CREATE INDEX api_token_merchant ON api_token (merchant_id, id);

GRANT SELECT, INSERT ON merchant, api_token TO strongroom_api;
GRANT UPDATE (revoked_at) ON api_token TO strongroom_api;
GRANT SELECT ON merchant TO strongroom_worker, strongroom_treasury;
-- The auditor reads everything by default; the digests of tokens are none of its business.
REVOKE SELECT ON api_token FROM strongroom_auditor;
GRANT SELECT (id, merchant_id, scopes, label, created_at, revoked_at) ON api_token TO strongroom_auditor;
