"""`paymon backtest`: when would alerts have fired, and who would have heard of it?"""
