-- name: publish
INSERT INTO outbox_event (topic, key, payload, request_id)
SELECT topic, key, payload, %s
FROM unnest(%b::text[], %b::text[], %b::jsonb[]) WITH ORDINALITY AS event (topic, key, payload, position)
ORDER BY position;

-- name: take_turn
SELECT pg_try_advisory_xact_lock(hashtext('outbox')) AS mine;

-- name: claim
-- An event waits behind an earlier one of its key that waits to be tried again.
SELECT id, topic, key, payload, created_at, request_id
FROM outbox_event AS event
WHERE handled_at IS NULL
  AND retry_at <= now()
  AND NOT EXISTS (
      SELECT FROM outbox_event AS earlier
      WHERE earlier.key = event.key AND earlier.handled_at IS NULL AND earlier.id < event.id
        AND earlier.retry_at > now()
  )
ORDER BY id
LIMIT %s;

-- name: mark_handled
UPDATE outbox_event SET handled_at = now() WHERE id = ANY (%s::bigint[]);

-- name: postpone
UPDATE outbox_event
SET attempts = attempts + 1, retry_at = now() + least(interval '5 minutes', interval '1 second' * 2 ^ least(attempts, 10))
WHERE id = %s;
