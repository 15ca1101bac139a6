"""The command line: arguments in, one library call, results out. Nothing heavy is imported before a command runs."""
