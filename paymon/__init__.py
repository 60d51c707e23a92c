"""The front door: the command line, and what talks to a live Prometheus."""
