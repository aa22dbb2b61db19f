-- name: set_stop
INSERT INTO stop_switch (name, scope, reason, set_by)
VALUES (%(name)s, %(scope)s, %(reason)s, %(by)s)
ON CONFLICT (name, scope) WHERE cleared_at IS NULL DO NOTHING;

-- name: clear_stop
UPDATE stop_switch SET cleared_at = now(), cleared_by = %(by)s, clear_reason = %(reason)s
WHERE name = %(name)s AND scope = %(scope)s AND cleared_at IS NULL RETURNING id;

-- name: stopped
SELECT reason FROM stop_switch
WHERE name = %(name)s AND scope IN ('*', %(scope)s) AND cleared_at IS NULL
LIMIT 1;

-- name: standing
SELECT name, scope, reason, set_by, set_at FROM stop_switch WHERE cleared_at IS NULL ORDER BY id;
