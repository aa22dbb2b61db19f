-- What each comparison found. Reading the other rooms' tables is the auditor's role, which may read everything.
CREATE TABLE reconciliation_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    clean boolean NOT NULL,
    chains integer NOT NULL,
    journal_rows bigint NOT NULL,
    differences jsonb NOT NULL
);
CREATE TRIGGER reconciliation_run_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON reconciliation_run TO strongroom_worker;
GRANT SELECT ON reconciliation_run TO strongroom_api, strongroom_treasury;
