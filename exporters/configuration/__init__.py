"""What is the exporter told to do, and what is wrong with what it was told?"""
