"""Tables of URLs -> shards, through img2dataset in a child process, and the mending of what it leaves."""
