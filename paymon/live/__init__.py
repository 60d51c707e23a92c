"""What runs at this moment: the servers that are asked, and what the definitions say of their answers."""
