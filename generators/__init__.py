"""How it looks: catalog in, text out. Pure functions, one module per kind of file; output.py alone touches files."""
