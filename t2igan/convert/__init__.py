"""Foreign formats -> our networks, one module each. No foreign code is run, and nothing is unpickled."""
