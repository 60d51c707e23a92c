-- The indexes that keep the cost of sampling the same, however large the tables grow. Run with psql, by the tables'
-- owner, outside of a transaction; each is built without blocking writes:
--
--     psql --set ON_ERROR_STOP=1 --file indexes.sql <database>
--
-- An index whose building was interrupted stays behind as INVALID; drop it and run this file again.
-- A partitioned table takes no index CONCURRENTLY: leave that word out there, or build one on each partition first.
-- Leave out what your tables have already. Where your statuses differ from these, write the ones of your configuration.

-- The latest completed payment.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_completed_at
    ON payments (completed_at) WHERE completed_at IS NOT NULL;

-- Unfinished payments by status, the oldest first: a small index, since nearly all payments end. With slow_methods in the
-- exporter's configuration, add the same ones here, or each sample reads past them:
--     AND (payment_method IN ('us_bank_account', 'sepa_debit')) IS NOT TRUE
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_unfinished
    ON payments (status, created_at)
    WHERE status NOT IN ('completed', 'failed', 'canceled', 'refunded', 'pending_review');

-- Orders charged twice in the past 24 hours, from the index alone.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_created_at
    ON payments (created_at) INCLUDE (order_id, payment_intent_id, status);

-- Payments that await a review.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_pending_review
    ON payments (created_at) WHERE status = 'pending_review';

-- Reconciliation by payment intent.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_payment_intent_id
    ON payments (payment_intent_id);

-- The latest attempts, in the order in which they are counted, and the users hit by failed ones.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payment_attempts_created_at_id
    ON payment_attempts (created_at, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS payment_attempts_failed
    ON payment_attempts (created_at, user_id) WHERE status = 'failed';

-- The webhook inbox: what was received, what was processed, what waits.
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_events_received_at
    ON webhook_events (received_at, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_events_processed_at
    ON webhook_events (processed_at, id) WHERE processed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_events_unprocessed
    ON webhook_events (received_at) WHERE processed_at IS NULL;
