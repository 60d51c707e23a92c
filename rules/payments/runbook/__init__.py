"""Which items and procedures does the runbook name?"""
