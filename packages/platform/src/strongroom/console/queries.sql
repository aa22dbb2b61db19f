-- name: insert_session
INSERT INTO console_session (digest, merchant_id, token_id, created_at, expires_at)
VALUES (%(digest)s, %(merchant_id)s, %(token_id)s, %(created_at)s, %(expires_at)s);

-- name: session
SELECT merchant_id, token_id, expires_at FROM console_session WHERE digest = %(digest)s AND expires_at > %(now)s;

-- name: delete_session
DELETE FROM console_session WHERE digest = %(digest)s;

-- name: delete_expired
DELETE FROM console_session WHERE expires_at <= %(now)s;
