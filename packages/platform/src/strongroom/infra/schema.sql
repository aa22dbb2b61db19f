-- name: lock
SELECT pg_advisory_xact_lock(hashtext('strongroom-migrations'));

-- name: create_table
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    digest bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
SELECT digest FROM schema_migration WHERE name = %s;

-- name: timeouts
SET LOCAL lock_timeout = '5s';

-- name: record
INSERT INTO schema_migration (name, digest) VALUES (%s, %s);

-- name: roles
SELECT rolname FROM pg_roles WHERE rolname = ANY (%s::text[]);
