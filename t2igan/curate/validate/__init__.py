"""Finding what is broken in a set of shards, and saying it by name. Mends nothing, writes nothing into the set."""
