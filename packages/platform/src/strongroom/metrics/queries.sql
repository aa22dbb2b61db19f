-- Each reads an index of what is open, never a whole table that grows with the years.

-- name: deposits
SELECT chain, asset, state, count(*) AS count FROM deposit
WHERE state IN ('seen', 'confirming', 'confirmed', 'held')
GROUP BY chain, asset, state;

-- name: payouts
SELECT chain, asset, state, count(*) AS count, min(created_at) AS oldest FROM payout
WHERE state IN ('queued', 'hot-short')
GROUP BY chain, asset, state;

-- name: slots
SELECT chain, kind, state, count(*) AS count FROM outbound_slot
WHERE state NOT IN ('final', 'abandoned')
GROUP BY chain, kind, state;

-- name: voids
SELECT chain, count(*) AS count FROM outbound_void WHERE state = 'wanted' GROUP BY chain;

-- name: outbox
SELECT count(*) FILTER (WHERE attempts = 0) AS waiting, count(*) FILTER (WHERE attempts > 0) AS failing,
    min(created_at) AS oldest
FROM outbox_event WHERE handled_at IS NULL;

-- name: webhooks
SELECT count(*) FILTER (WHERE attempts = 0) AS waiting, count(*) FILTER (WHERE attempts > 0) AS failing,
    min(created_at) AS oldest
FROM webhook_delivery WHERE state = 'pending';

-- name: waiting_for_par
SELECT asset, count(*) AS count FROM invoice
WHERE exception = 'depegged' AND status = 'processing'
GROUP BY asset;

-- name: stops
SELECT name, scope FROM stop_switch WHERE cleared_at IS NULL;

-- name: reconciled
SELECT clean, at FROM reconciliation_run ORDER BY id DESC LIMIT 1;
