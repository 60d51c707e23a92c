"""What do Stripe's events add to which series, each exactly once?"""
