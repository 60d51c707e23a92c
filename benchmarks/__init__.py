"""How fast and how large is it? Figures are printed, as ratios where machines differ; nothing here is a test."""
