"""Scores of captioned images, rules that keep some of them, and the shards that result. Torch-free until a model runs."""
