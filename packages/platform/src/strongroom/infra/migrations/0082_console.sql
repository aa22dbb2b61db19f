-- Who is logged in at the console. A session ends at its time, at logout, or with the API token that opened it.
CREATE TABLE console_session (
    -- SHA-256 of the cookie's 256 random bits: who reads this table cannot log in with it.
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    merchant_id text NOT NULL REFERENCES merchant (id),
    token_id text NOT NULL REFERENCES api_token (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at)
);
CREATE INDEX console_session_expires ON console_session (expires_at);
GRANT SELECT, INSERT, DELETE ON console_session TO strongroom_api;
REVOKE SELECT ON console_session FROM strongroom_auditor;
GRANT SELECT (merchant_id, token_id, created_at, expires_at) ON console_session TO strongroom_auditor;
