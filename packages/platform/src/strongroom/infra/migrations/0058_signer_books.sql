-- What each signer's own books hold, as it last said. Nothing is signed beyond the books of a signer that are `binding`, so
-- payouts that they do not cover wait for proofs, instead of being refused.
CREATE TABLE signer_books (
    signer text PRIMARY KEY,
    row bigint NOT NULL CHECK (row >= 0), -- of its journal
    binding boolean NOT NULL,
    read_at timestamptz NOT NULL
);
CREATE TABLE signer_balance (
    holder text NOT NULL, -- a merchant's id, or house
    asset text NOT NULL,
    signer text NOT NULL REFERENCES signer_books,
    amount numeric(79, 0) NOT NULL, -- below zero after a reorganised credit
    PRIMARY KEY (holder, asset, signer)
);
CREATE TRIGGER signer_balance_wake AFTER INSERT OR UPDATE OR DELETE ON signer_balance FOR EACH STATEMENT
    EXECUTE FUNCTION notify_channel('treasury');

-- Where our books give a merchant more than a signer's, and nothing that has a name explains it: money that no chain brought.
-- One open row each; `alarmed_at` once it has lasted, and from then on the merchant's payouts wait. Rows are never deleted.
CREATE TABLE signer_difference (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    holder text NOT NULL,
    asset text NOT NULL,
    signer text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    alarmed_at timestamptz,
    cleared_at timestamptz
);
CREATE UNIQUE INDEX signer_difference_open ON signer_difference (holder, asset, signer) WHERE cleared_at IS NULL;
CREATE TRIGGER signer_difference_kept BEFORE DELETE OR TRUNCATE ON signer_difference FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON signer_difference TO strongroom_treasury;
GRANT SELECT ON signer_difference TO strongroom_api, strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON signer_books TO strongroom_treasury;
GRANT SELECT, INSERT, UPDATE, DELETE ON signer_balance TO strongroom_treasury;
GRANT SELECT ON signer_books, signer_balance TO strongroom_api, strongroom_worker;
