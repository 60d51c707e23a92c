"""Where do counters live, so that a kill at any moment loses nothing?"""
