"""How does a newcomer watch payments break, and the right alert fire?"""
