"""`paymon drift`: is what runs what is defined, layer by layer?"""
