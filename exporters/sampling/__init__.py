"""When is each source asked, and what is known of its answers?"""
