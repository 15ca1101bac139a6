"""Shards with every picture cut and shrunk beforehand, a folder a resolution. Nothing is chosen, nothing enlarged."""
