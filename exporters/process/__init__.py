"""How does the exporter start, run, and stop as a process?"""
