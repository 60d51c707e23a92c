"""How do payments stand at this moment: `paymon check` and `paymon status`."""
