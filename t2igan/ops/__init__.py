"""Tensor functions and layers that know no architecture."""
