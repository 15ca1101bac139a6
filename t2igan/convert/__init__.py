"""Foreign formats -> our networks, one module each. No foreign code is run, and pickles only go through safe_pickle."""
