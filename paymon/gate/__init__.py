"""`paymon gate`: may the rollout go on, and did a rollback take effect?"""
