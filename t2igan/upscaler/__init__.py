"""Enlarging images with a network of protocol Upsampler. Torch-free until one is used."""
