"""What is true of live payments: every metric, signal, alert and procedure of the runbook?"""
