"""What a run is made of: the typed recipe, how it is loaded and checked, and its reference. Torch-free."""
