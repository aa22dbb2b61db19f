-- name: sums
SELECT asset, type, sum(balance) AS total FROM ledger_account GROUP BY asset, type;

-- name: standing
SELECT asset, kind, size FROM ledger_breach WHERE ended_at IS NULL;

-- name: reconciled
SELECT item->>'name' AS name, item->>'asset' AS asset, (item->>'expected')::numeric AS expected,
    (item->>'found')::numeric AS found
FROM (SELECT differences FROM reconciliation_run ORDER BY id DESC LIMIT 1) AS last, jsonb_array_elements(last.differences) AS item
WHERE item->>'name' IN ('balance-entries', 'books-chain');

-- name: signers
-- Every binding signer's own books by asset, with what it has no proof of yet: deposits into coins one by one, forwarders'
-- as long as any of their sweeps is not proven.
SELECT told.signer, told.asset, told.total, coins.amount + forwarders.amount AS unproven, (
        SELECT coalesce(sum(payable.amount + payable.fee), 0) FROM treasury_payable AS payable
        JOIN outbound_slot AS slot ON slot.id = payable.slot_id
        WHERE payable.state = 'slotted' AND slot.state = 'planned' AND payable.asset = told.asset
    ) AS being_signed,
    EXISTS (
        SELECT FROM proof_wanted AS wanted
        LEFT JOIN proof_answer AS answer ON answer.subject = wanted.subject AND answer.signer = told.signer
            AND answer.block_hash = wanted.block_hash
        WHERE wanted.kind = 'sweep' AND wanted.live AND NOT wanted.done AND starts_with(told.asset, wanted.chain || '/')
          AND answer.state IS DISTINCT FROM 'proven'
    ) AS sweeps_unproven
FROM (
    SELECT books.signer, balance.asset, sum(balance.amount) AS total
    FROM signer_books AS books JOIN signer_balance AS balance USING (signer)
    WHERE books.binding GROUP BY books.signer, balance.asset
) AS told
CROSS JOIN LATERAL (
    SELECT coalesce(sum(deposit.amount), 0) AS amount
    FROM proof_wanted AS wanted
    JOIN deposit ON deposit.id = wanted.subject AND deposit.asset = told.asset
    LEFT JOIN proof_answer AS answer ON answer.subject = wanted.subject AND answer.signer = told.signer
        AND answer.block_hash = wanted.block_hash
    WHERE wanted.kind = 'deposit' AND wanted.live AND NOT wanted.done AND answer.state IS DISTINCT FROM 'proven'
) AS coins
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount), 0) AS amount FROM treasury_ungathered WHERE asset = told.asset
) AS forwarders;
