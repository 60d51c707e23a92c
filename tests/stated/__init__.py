"""What was promised, stated by hand: tests that no definition is written for, and that notice a wrong definition."""
