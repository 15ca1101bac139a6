"""Writing what was selected: one input shard -> one output shard, a pure function of bytes and settings."""
