"""Measuring images: any source -> features, kept on disk -> numbers that name their protocol. Torch-free until used."""
