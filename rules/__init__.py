"""What is true about live payments: every metric, signal, threshold, alert and procedure, as plain typed data."""
