"""`python -m pointsman.launcher`: what `pointsman run` becomes.

Invariant: nothing happens here but the call; the exit status is the launcher's.
"""

import sys

from pointsman.launcher.command import main

sys.exit(main())
