"""A payments world to try everything in: what the project watches, made up."""
