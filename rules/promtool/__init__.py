"""How are series and their samples written in a test for promtool?"""
