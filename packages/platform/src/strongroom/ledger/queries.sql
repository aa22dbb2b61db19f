-- name: post
SELECT outcomes, numbers, posted_ms FROM ledger_post(
    %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::integer[],
    %s::integer[], %s::integer[], %s::numeric[], %s);

-- name: reserve
SELECT made.outcome, (made.hold).* FROM ledger_reserve(%s, %s, %s, %s, %s, %s, %s, %s) AS made;

-- name: capture
SELECT made.outcome, (made.hold).* FROM ledger_capture(
    %s, %s, %s, %s::text[], %s::text[], %s::text[], %s::integer[], %s::numeric[], %s) AS made;

-- name: release
SELECT made.outcome, (made.hold).* FROM ledger_release(%s, %s, %s, %s, 'closed') AS made;

-- name: expire
SELECT * FROM ledger_expire(%s, %s);

-- name: hold
SELECT * FROM ledger_hold WHERE id = %s;

-- name: balance
SELECT balance FROM ledger_account WHERE owner = %s AND type = %s AND asset = %s;

-- name: owing
SELECT owner FROM ledger_account WHERE type = 'merchant-owed' AND asset = %s AND balance < 0 ORDER BY owner;

-- name: balances
SELECT owner, type, asset, balance FROM ledger_account WHERE owner = %s ORDER BY asset, type;

-- name: cover
SELECT hot, in_flight, capital, hot_short, clients_short FROM ledger_cover(%s);

-- name: breaches
SELECT id, asset, kind, size, worst, cause, since, last_at, ended_at FROM ledger_breach
WHERE ended_at IS NULL ORDER BY asset, kind;

-- name: past_breaches
SELECT id, asset, kind, size, worst, cause, since, last_at, ended_at FROM ledger_breach
WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT %s;

-- name: judge_all
SELECT ledger_judge_all();

-- name: report_breach
SELECT ledger_report_breach(%s, %s, %s, %s);

-- name: audit_accounts
WITH chained AS (
    SELECT account_id, seq, amount, balance_before, balance_after,
        lag(balance_after, 1, 0::numeric) OVER history AS expected_before,
        row_number() OVER history AS expected_seq
    FROM ledger_entry
    WINDOW history AS (PARTITION BY account_id ORDER BY seq)
), told AS (
    SELECT account_id, count(*) AS entry_count, sum(amount) AS entry_sum,
        (array_agg(balance_after ORDER BY seq DESC))[1] AS last_after,
        count(*) FILTER (WHERE balance_before <> expected_before OR seq <> expected_seq) AS breaks
    FROM chained GROUP BY account_id
)
SELECT account.owner, account.type, account.asset, account.balance, account.entries,
    coalesce(told.entry_count, 0) AS entry_count, coalesce(told.entry_sum, 0) AS entry_sum,
    coalesce(told.last_after, 0) AS last_after, coalesce(told.breaks, 0) AS breaks
FROM ledger_account account LEFT JOIN told ON told.account_id = account.id
ORDER BY account.owner, account.type, account.asset;

-- name: audit_postings
SELECT entry.transaction, entry.line
FROM ledger_entry entry
JOIN ledger_account account ON account.id = entry.account_id
GROUP BY entry.transaction, entry.line
HAVING count(*) <> 2 OR sum(entry.amount) <> 0 OR count(DISTINCT account.asset) <> 1
ORDER BY 1, 2 LIMIT 100;

-- name: audit_strays
SELECT entry.transaction, min(entry.line) AS line
FROM ledger_entry entry
LEFT JOIN ledger_transaction made ON made.number = entry.transaction
WHERE made.number IS NULL
GROUP BY entry.transaction ORDER BY 1 LIMIT 100;
