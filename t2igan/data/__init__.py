"""Training data: the embedded shapes, tar shards, and writers of shards. Torch-free until a loader is built."""
