-- name: due
-- New ones first, so that what a signer will not take keeps nothing else waiting; then block by block.
SELECT wanted.subject, wanted.kind, wanted.txid, wanted.place, wanted.address_id, wanted.height, wanted.block_hash,
    CASE WHEN answer.block_hash = wanted.block_hash THEN answer.attempts ELSE 0 END AS attempts
FROM proof_wanted AS wanted
LEFT JOIN proof_answer AS answer ON answer.subject = wanted.subject AND answer.signer = %(signer)s
WHERE wanted.chain = %(chain)s AND wanted.live AND NOT wanted.done AND wanted.kind = ANY (%(kinds)s::text[])
  AND (answer.subject IS NULL OR answer.block_hash <> wanted.block_hash OR NOT answer.settled AND (
      answer.retry_at <= %(now)s
      OR answer.state = 'waiting' AND answer.tip < %(tip)s
      OR answer.state = 'proven' AND wanted.height <= %(deep)s
  ))
ORDER BY answer.block_hash IS NOT DISTINCT FROM wanted.block_hash, wanted.height, wanted.subject
LIMIT %(limit)s

-- name: record
INSERT INTO proof_answer (subject, signer, state, row, tag, reason, block_hash, tip, settled, attempts, retry_at, answered_at)
SELECT item.subject, %(signer)s, item.state, item.row, item.tag, item.reason, item.block_hash, item.tip, item.settled,
    item.attempts, item.retry_at, item.at
FROM unnest(%(subjects)s::text[], %(states)s::text[], %(rows)s::bigint[], %(tags)s::text[], %(reasons)s::text[],
    %(block_hashes)s::text[], %(settleds)s::boolean[], %(attempts)s::integer[], %(retry_ats)s::timestamptz[],
    %(tips)s::bigint[], %(ats)s::timestamptz[])
    AS item (subject, state, row, tag, reason, block_hash, settled, attempts, retry_at, tip, at)
ON CONFLICT (subject, signer) DO UPDATE SET state = EXCLUDED.state, row = EXCLUDED.row, tag = EXCLUDED.tag,
    reason = EXCLUDED.reason, block_hash = EXCLUDED.block_hash, tip = EXCLUDED.tip, settled = EXCLUDED.settled,
    attempts = EXCLUDED.attempts, retry_at = EXCLUDED.retry_at, answered_at = EXCLUDED.answered_at

-- name: finish
UPDATE proof_wanted AS wanted SET done = true
WHERE wanted.subject = ANY (%(subjects)s::text[]) AND wanted.live AND NOT wanted.done AND NOT EXISTS (
    SELECT FROM unnest(%(signers)s::text[]) AS of (name)
    LEFT JOIN proof_answer AS answer ON answer.subject = wanted.subject AND answer.signer = of.name
    WHERE answer.subject IS NULL OR NOT answer.settled OR answer.block_hash <> wanted.block_hash
)

-- name: signer
SELECT attempts, retry_at FROM proof_signer WHERE signer = %(signer)s AND chain = %(chain)s

-- name: note_signer
INSERT INTO proof_signer (signer, chain, tag, reason, attempts, retry_at, asked_at)
VALUES (%(signer)s, %(chain)s, %(tag)s, %(reason)s, %(attempts)s, %(retry_at)s, %(now)s)
ON CONFLICT (signer, chain) DO UPDATE SET tag = EXCLUDED.tag, reason = EXCLUDED.reason, attempts = EXCLUDED.attempts,
    retry_at = EXCLUDED.retry_at, asked_at = EXCLUDED.asked_at

-- name: welcome
-- A signer that is new to us has been shown nothing yet.
UPDATE proof_wanted AS wanted SET done = false
WHERE wanted.chain = %(chain)s AND wanted.done
  AND NOT EXISTS (SELECT FROM proof_signer WHERE signer = %(signer)s AND chain = %(chain)s)

-- name: reopen
UPDATE proof_wanted SET done = false WHERE chain = %(chain)s AND done AND subject = ANY (%(subjects)s::text[])

-- name: forget
UPDATE proof_answer AS answer SET settled = false, retry_at = %(now)s
FROM proof_wanted AS wanted
WHERE wanted.subject = answer.subject AND wanted.chain = %(chain)s AND answer.subject = ANY (%(subjects)s::text[])

-- name: unproven
SELECT asked.chain, asked.signer, asked.tag, asked.reason,
    count(wanted.subject) AS count, min(wanted.wanted_at) AS since,
    count(wanted.subject) FILTER (WHERE wanted.state = 'refused') AS refused
FROM proof_signer AS asked
LEFT JOIN LATERAL (
    SELECT open.subject, open.wanted_at, answer.state
    FROM proof_wanted AS open
    LEFT JOIN proof_answer AS answer
        ON answer.subject = open.subject AND answer.signer = asked.signer AND answer.block_hash = open.block_hash
    WHERE open.chain = asked.chain AND open.live AND NOT open.done AND answer.state IS DISTINCT FROM 'proven'
) AS wanted ON true
GROUP BY asked.chain, asked.signer, asked.tag, asked.reason
ORDER BY asked.chain, asked.signer

-- name: answers
SELECT wanted.subject, answer.signer, answer.state, answer.row, answer.tag, answer.reason
FROM proof_wanted AS wanted JOIN proof_answer AS answer
    ON answer.subject = wanted.subject AND answer.block_hash = wanted.block_hash
WHERE wanted.live AND wanted.subject = ANY (%(subjects)s::text[])
ORDER BY wanted.subject, answer.signer

-- name: books_row
SELECT row, binding FROM signer_books WHERE signer = %(signer)s;

-- name: note_books
INSERT INTO signer_books (signer, row, binding, read_at) VALUES (%(signer)s, %(row)s, %(binding)s, %(now)s)
ON CONFLICT (signer) DO UPDATE SET row = excluded.row, binding = excluded.binding, read_at = excluded.read_at;

-- name: note_balances
INSERT INTO signer_balance (holder, asset, signer, amount)
SELECT holder, asset, %(signer)s, amount
FROM unnest(%(holders)s::text[], %(assets)s::text[], %(amounts)s::numeric[]) AS told (holder, asset, amount)
ON CONFLICT (holder, asset, signer) DO UPDATE SET amount = excluded.amount
WHERE signer_balance.amount <> excluded.amount;

-- name: cover
-- The least that any binding signer's books hold of each merchant, nothing while they differ from ours without a name; no
-- row where no signer's books bind.
SELECT merchant, min(CASE WHEN differing.holder IS NULL THEN coalesce(balance.amount, 0) ELSE 0 END) AS amount
FROM unnest(%(merchants)s::text[]) AS merchant
CROSS JOIN signer_books AS books
LEFT JOIN signer_balance AS balance
    ON balance.signer = books.signer AND balance.holder = merchant AND balance.asset = %(asset)s
LEFT JOIN (SELECT DISTINCT holder FROM signer_difference WHERE cleared_at IS NULL AND alarmed_at IS NOT NULL) AS differing
    ON differing.holder = merchant
WHERE books.binding
GROUP BY merchant;

-- name: compare
-- What our books give a merchant above each binding signer's, less all that has a name: credited and not proven yet (on an EVM
-- chain: not swept, or the sweep not proven), signed or asked for and not yet out of our books, given back to the merchant
-- and not yet proven to be in vain.
WITH ours AS (
    SELECT owner AS holder, asset, sum(balance) AS amount FROM ledger_account
    WHERE type IN ('merchant-available', 'merchant-held', 'merchant-owed')
    GROUP BY owner, asset
), books AS (
    SELECT signer FROM signer_books WHERE binding
), named (holder, asset, signer, amount) AS (
    SELECT deposit.merchant_id, deposit.asset, books.signer, deposit.credited
    FROM proof_wanted AS wanted
    CROSS JOIN books
    JOIN deposit ON deposit.state = 'credited' AND CASE wanted.kind
        WHEN 'deposit' THEN deposit.id = wanted.subject
        ELSE deposit.address_id = wanted.address_id AND deposit.emptied_by = wanted.txid END
    WHERE wanted.kind IN ('deposit', 'sweep') AND wanted.live AND NOT wanted.done AND NOT EXISTS (
        SELECT FROM proof_answer AS answer
        WHERE answer.subject = wanted.subject AND answer.signer = books.signer AND answer.state = 'proven'
          AND answer.block_hash = wanted.block_hash)
    UNION ALL
    SELECT deposit.merchant_id, deposit.asset, books.signer, deposit.credited
    FROM deposit CROSS JOIN books
    WHERE deposit.state = 'credited' AND deposit.emptied_by IS NULL AND starts_with(deposit.chain, 'eip155:')
    UNION ALL
    SELECT payable.merchant_id, payable.asset, answer.signer, payable.amount + payable.fee
    FROM treasury_payable AS payable
    JOIN outbound_slot AS slot ON slot.id = payable.slot_id
    JOIN LATERAL (
        SELECT DISTINCT signer FROM outbound_answer WHERE slot_id = slot.id AND state <> 'refused'
    ) AS answer ON true
    WHERE (payable.state = 'slotted' AND slot.state = 'planned')
       OR (payable.state = 'withdrawn' AND slot.state = 'abandoned' AND EXISTS (
            SELECT FROM proof_wanted AS wanted
            WHERE wanted.chain = slot.chain AND wanted.kind IN ('conflict', 'execution') AND wanted.live AND NOT wanted.done
              AND NOT EXISTS (SELECT FROM proof_answer AS said WHERE said.subject = wanted.subject
                AND said.signer = answer.signer AND said.state = 'proven')))
), explained AS (
    SELECT holder, asset, signer, sum(amount) AS amount FROM named GROUP BY holder, asset, signer
)
SELECT ours.holder, ours.asset, books.signer,
    ours.amount - coalesce(balance.amount, 0) - coalesce(explained.amount, 0) AS amount
FROM ours
CROSS JOIN books
LEFT JOIN signer_balance AS balance
    ON balance.holder = ours.holder AND balance.asset = ours.asset AND balance.signer = books.signer
LEFT JOIN explained
    ON explained.holder = ours.holder AND explained.asset = ours.asset AND explained.signer = books.signer
WHERE ours.amount - coalesce(balance.amount, 0) - coalesce(explained.amount, 0) > 0;

-- name: note_differences
INSERT INTO signer_difference (holder, asset, signer, amount, since, seen_at)
SELECT *, %(now)s, %(now)s
FROM unnest(%(holders)s::text[], %(assets)s::text[], %(signers)s::text[], %(amounts)s::numeric[])
ON CONFLICT (holder, asset, signer) WHERE cleared_at IS NULL
DO UPDATE SET amount = excluded.amount, seen_at = excluded.seen_at;

-- name: clear_differences
UPDATE signer_difference SET cleared_at = %(now)s WHERE cleared_at IS NULL AND seen_at < %(now)s
RETURNING holder, asset, signer, amount, since, alarmed_at;

-- name: alarm_differences
UPDATE signer_difference SET alarmed_at = %(now)s
WHERE cleared_at IS NULL AND alarmed_at IS NULL AND since <= %(before)s
RETURNING holder, asset, signer, amount, since, alarmed_at;

-- name: differences
SELECT holder, asset, signer, amount, since, alarmed_at FROM signer_difference
WHERE cleared_at IS NULL ORDER BY since, holder, asset, signer;
