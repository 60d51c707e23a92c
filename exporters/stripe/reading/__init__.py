"""How is Stripe asked, within what it allots?"""
