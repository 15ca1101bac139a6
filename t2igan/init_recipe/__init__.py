"""Own data -> a first recipe with its reasons: what `t2igan init` writes. Trains nothing, imports no torch."""
