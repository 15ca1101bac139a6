"""What a selection looks like: numbers, histograms, examples on both sides of every threshold. Decides nothing."""
