"""`paymon mutate`: would the tests notice a mistake in the rules?"""
