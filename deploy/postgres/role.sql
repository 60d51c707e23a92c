-- The role of the exporter: it reads the columns that it samples, and nothing else. Run with psql by a superuser or the
-- tables' owner with CREATEROLE, on the database of the payments service:
--
--     psql --set ON_ERROR_STOP=1 --file role.sql <database>
--     psql --command '\password paymon_exporter' <database>
--
-- Column privileges are the guarantee: a session can switch its own read-only mode off, but it cannot grant itself more.
-- `paymon doctor` says what is missing. Leave out the tables that you do not have.

\set ON_ERROR_STOP on

BEGIN;

CREATE ROLE paymon_exporter LOGIN NOINHERIT CONNECTION LIMIT 10;
COMMENT ON ROLE paymon_exporter IS 'Samples the payments tables for monitoring; may only read';

-- Belt and braces: the exporter sets its own limits for each query.
ALTER ROLE paymon_exporter SET default_transaction_read_only = on;
ALTER ROLE paymon_exporter SET statement_timeout = '10s';
ALTER ROLE paymon_exporter SET lock_timeout = '1s';
ALTER ROLE paymon_exporter SET idle_in_transaction_session_timeout = '30s';

SELECT format('GRANT CONNECT ON DATABASE %I TO paymon_exporter', current_database()) \gexec
GRANT USAGE ON SCHEMA public TO paymon_exporter;

GRANT SELECT (order_id, payment_intent_id, status, created_at, completed_at) ON payments TO paymon_exporter;
-- With slow_methods in the exporter's configuration, add the column payment_method; with payments.amounts, those columns:
--     GRANT SELECT (amount, currency) ON payments TO paymon_exporter;
-- With identifiers, the sequences of those columns, or the columns where they have none:
--     GRANT SELECT ON SEQUENCE payments_id_seq TO paymon_exporter;
GRANT SELECT (id, user_id, status, created_at) ON payment_attempts TO paymon_exporter;
GRANT SELECT (version, applied) ON schema_migrations TO paymon_exporter;
GRANT SELECT (id, type, created_at, received_at, processed_at) ON webhook_events TO paymon_exporter;

COMMIT;
