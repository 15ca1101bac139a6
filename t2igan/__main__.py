"""`python -m t2igan`, so that `torchrun -m t2igan train ...` works."""

import sys

from t2igan.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
