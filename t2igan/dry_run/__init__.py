"""What a run would be: parameters, FLOPs, memory, disk and time of a recipe. Trains nothing and writes nothing."""
