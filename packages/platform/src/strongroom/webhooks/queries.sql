-- name: count_endpoints
SELECT count(*) AS count FROM webhook_endpoint WHERE merchant_id = %s AND deleted_at IS NULL;

-- name: insert_endpoint
INSERT INTO webhook_endpoint (merchant_id, id, url, events, idempotency_key, digest)
VALUES (%(merchant_id)s, %(id)s, %(url)s, %(events)s, %(key)s, %(digest)s)
ON CONFLICT (merchant_id, idempotency_key) DO NOTHING
RETURNING id, merchant_id, url, events, enabled, secret_version, created_at;

-- name: endpoint_of_key
SELECT id, merchant_id, url, events, enabled, secret_version, created_at, digest
FROM webhook_endpoint WHERE merchant_id = %s AND idempotency_key = %s;

-- name: list_endpoints
SELECT id, merchant_id, url, events, enabled, secret_version, created_at
FROM webhook_endpoint
WHERE merchant_id = %(merchant_id)s AND deleted_at IS NULL AND id > %(after)s
ORDER BY id LIMIT %(limit)s;

-- name: get_endpoint
SELECT id, merchant_id, url, events, enabled, secret_version, created_at
FROM webhook_endpoint WHERE merchant_id = %s AND id = %s AND deleted_at IS NULL;

-- name: update_endpoint
UPDATE webhook_endpoint
SET url = coalesce(%(url)s, url), events = coalesce(%(events)s::text[], events), enabled = coalesce(%(enabled)s, enabled)
WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND deleted_at IS NULL
RETURNING id, merchant_id, url, events, enabled, secret_version, created_at;

-- name: delete_endpoint
-- What was still on its way to it ends there.
WITH gone AS (
    UPDATE webhook_endpoint SET deleted_at = now(), enabled = false
    WHERE merchant_id = %s AND id = %s AND deleted_at IS NULL
    RETURNING id
), ended AS (
    UPDATE webhook_delivery SET state = 'exhausted' FROM gone WHERE endpoint_id = gone.id AND state = 'pending'
)
SELECT id FROM gone;

-- name: insert_events
-- A batch of facts, each numbered within its object, and their deliveries to every endpoint that wants them. The same
-- outbox event again (a worker that died before its commit was seen) makes no second fact. A delivery's id is its event's
-- time and random head, and ten digits that tell the endpoints apart.
WITH fact AS (
    SELECT wanted.*, coalesce(known.last, 0) + row_number() OVER (PARTITION BY merchant_id, object_id ORDER BY source_event) AS sequence
    FROM unnest(%(ids)b::text[], %(merchants)b::text[], %(types)b::text[], %(objects)b::text[], %(heads)b::text[],
                %(tails)b::text[], %(sources)b::bigint[])
        AS wanted (id, merchant_id, type, object_id, head, tail, source_event)
    LEFT JOIN LATERAL (
        SELECT max(sequence) AS last FROM webhook_event AS told
        WHERE told.merchant_id = wanted.merchant_id AND told.object_id = wanted.object_id
    ) AS known ON true
    WHERE NOT EXISTS (SELECT FROM webhook_event AS told WHERE told.source_event = wanted.source_event)
), inserted AS (
    INSERT INTO webhook_event (merchant_id, id, type, object_id, sequence, body, source_event)
    SELECT merchant_id, id, type, object_id, sequence, head || sequence || tail, source_event FROM fact
    RETURNING id, merchant_id, type, source_event
)
INSERT INTO webhook_delivery (merchant_id, id, endpoint_id, event_id)
SELECT inserted.merchant_id, 'dlv' || substr(inserted.id, 4, 17) || substr(md5(inserted.id || endpoint.id), 1, 10),
       endpoint.id, inserted.id
FROM inserted JOIN webhook_endpoint AS endpoint ON endpoint.merchant_id = inserted.merchant_id
WHERE endpoint.enabled AND endpoint.deleted_at IS NULL
  AND (endpoint.events = '{}' OR inserted.type = ANY (endpoint.events))
ORDER BY inserted.source_event;

-- name: list_events
SELECT id, merchant_id, type, object_id, sequence, body, created_at
FROM webhook_event
WHERE merchant_id = %(merchant_id)s AND (%(before)s = '' OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: list_deliveries
SELECT delivery.id, delivery.merchant_id, endpoint_id, event_id, event.type, state, attempts, next_attempt_at,
       last_status, last_error, delivered_at, delivery.created_at
FROM webhook_delivery AS delivery JOIN webhook_event AS event ON event.id = delivery.event_id
WHERE delivery.merchant_id = %(merchant_id)s
  AND (%(endpoint_id)s = '' OR endpoint_id = %(endpoint_id)s)
  AND (%(before)s = '' OR delivery.id < %(before)s)
ORDER BY delivery.id DESC LIMIT %(limit)s;

-- name: get_delivery
SELECT delivery.id, delivery.merchant_id, endpoint_id, event_id, event.type, state, attempts, next_attempt_at,
       last_status, last_error, delivered_at, delivery.created_at
FROM webhook_delivery AS delivery JOIN webhook_event AS event ON event.id = delivery.event_id
WHERE delivery.merchant_id = %s AND delivery.id = %s;

-- name: redeliver
UPDATE webhook_delivery AS delivery
SET state = 'pending', next_attempt_at = now(), attempts = 0
FROM webhook_event AS event
WHERE delivery.merchant_id = %s AND delivery.id = %s AND event.id = delivery.event_id
  AND EXISTS (SELECT FROM webhook_endpoint AS there WHERE there.id = delivery.endpoint_id AND there.deleted_at IS NULL)
RETURNING delivery.id, delivery.merchant_id, endpoint_id, event_id, event.type, state, attempts, next_attempt_at,
          last_status, last_error, delivered_at, delivery.created_at;

-- name: claim
-- The lease outlives an attempt; a worker that dies with a claim leaves it to be made again (at least once). No endpoint
-- gets more than its share of a claim, so that one slow server does not hold up the others; one that is disabled has it wait.
-- The endpoints that something waits for are found by steps over the index, one row each, and only then the deliveries of
-- those that take some: what waits for the others, however much it is, is not read. Of all together about 2,000 are looked
-- at, so that a claim costs no more where something waits everywhere.
WITH RECURSIVE awaited AS (
    (SELECT endpoint_id FROM webhook_delivery WHERE state = 'pending' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT later.endpoint_id FROM webhook_delivery AS later
        WHERE later.state = 'pending' AND later.endpoint_id > awaited.endpoint_id ORDER BY later.endpoint_id LIMIT 1
    ) FROM awaited WHERE awaited.endpoint_id IS NOT NULL
), taking AS (
    -- Only these share a claim: however many others something waits for, they make nobody's share smaller.
    SELECT there.id FROM awaited JOIN webhook_endpoint AS there ON there.id = awaited.endpoint_id
    WHERE there.enabled AND there.id <> ALL (%(saturated)s::text[])
), candidate AS (
    SELECT share.id FROM taking CROSS JOIN LATERAL (
        SELECT id FROM webhook_delivery
        WHERE endpoint_id = taking.id AND state = 'pending' AND next_attempt_at <= now()
        ORDER BY next_attempt_at
        LIMIT (SELECT greatest(1, least(%(per_endpoint)s, 2000 / (1 + count(*)))) FROM taking)
    ) AS share
), due AS (
    -- By an array: a join may be planned as a scan of the whole table.
    SELECT delivery.id FROM webhook_delivery AS delivery
    WHERE delivery.id = ANY (ARRAY (SELECT id FROM candidate)) AND state = 'pending' AND next_attempt_at <= now()
    ORDER BY delivery.next_attempt_at, delivery.id
    LIMIT %(limit)s
    FOR UPDATE OF delivery SKIP LOCKED
)
UPDATE webhook_delivery AS delivery
SET next_attempt_at = now() + %(lease)s
FROM due, webhook_endpoint AS endpoint, webhook_event AS event JOIN outbox_event AS source ON source.id = source_event
WHERE delivery.id = due.id AND endpoint.id = delivery.endpoint_id AND event.id = delivery.event_id
RETURNING delivery.id AS delivery_id, delivery.endpoint_id, delivery.event_id, endpoint.url, endpoint.secret_version,
          event.body, delivery.attempts, source.request_id;

-- name: record_attempts
-- One statement for all outcomes that are known by now: (id, status, error, duration, delivered).
WITH outcome AS (
    SELECT * FROM unnest(%(ids)s::text[], %(statuses)s::integer[], %(errors)s::text[], %(durations)s::integer[],
                         %(states)s::text[], %(waits)s::interval[])
        AS outcome (id, status, error, duration_ms, state, wait)
), attempt AS (
    INSERT INTO webhook_attempt (delivery_id, number, status, error, duration_ms)
    SELECT id, (SELECT count(*) + 1 FROM webhook_attempt WHERE delivery_id = outcome.id), status, error, duration_ms
    FROM outcome
)
UPDATE webhook_delivery AS delivery
SET state = outcome.state, attempts = attempts + 1, next_attempt_at = coalesce(now() + outcome.wait, next_attempt_at),
    last_status = outcome.status, last_error = outcome.error,
    delivered_at = CASE WHEN outcome.state = 'delivered' THEN now() ELSE delivered_at END
FROM outcome
WHERE delivery.id = outcome.id AND delivery.state = 'pending';

-- name: list_attempts
SELECT number, status, error, duration_ms, at
FROM webhook_attempt JOIN webhook_delivery AS delivery ON delivery.id = delivery_id
WHERE delivery.merchant_id = %s AND delivery_id = %s
ORDER BY number;
