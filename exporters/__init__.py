"""Where the numbers come from: everything that samples Stripe, Postgres and the payments service, and serves a page."""
