"""Measuring every sample of a shard, and writing it down as a table. Which samples are kept is decided elsewhere."""
