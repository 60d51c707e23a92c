"""How does a team begin with a repository of its own?"""
