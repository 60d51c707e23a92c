"""Who may see the page, and how is it served?"""
