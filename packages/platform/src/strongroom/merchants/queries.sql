-- name: insert_merchant
INSERT INTO merchant (id, name) VALUES (%(id)s, %(name)s) RETURNING id, name, branch, created_at;

-- name: merchant
SELECT id, name, branch, created_at FROM merchant WHERE id = %(id)s;

-- name: merchants
SELECT id, name, branch, created_at FROM merchant ORDER BY branch;

-- name: insert_token
INSERT INTO api_token (id, merchant_id, digest, scopes, label, idempotency_key, request_digest)
VALUES (%(id)s, %(merchant_id)s, %(digest)s, %(scopes)s, %(label)s, %(key)s, %(request)s)
ON CONFLICT (merchant_id, idempotency_key) DO NOTHING
RETURNING id, merchant_id, scopes, label, created_at, revoked_at;

-- name: token_of_key
SELECT id, merchant_id, scopes, label, created_at, revoked_at, request_digest
FROM api_token WHERE merchant_id = %(merchant_id)s AND idempotency_key = %(key)s;

-- name: token_to_check
SELECT id, merchant_id, scopes, digest FROM api_token WHERE id = %(id)s AND revoked_at IS NULL;

-- name: tokens
SELECT id, merchant_id, scopes, label, created_at, revoked_at
FROM api_token WHERE merchant_id = %(merchant_id)s ORDER BY id;

-- name: revoke_token
-- Again is harmless and keeps the first time.
UPDATE api_token SET revoked_at = coalesce(revoked_at, now())
WHERE merchant_id = %(merchant_id)s AND id = %(id)s
RETURNING id;
