"""The client of the example: asks each address in turn, four times a second, and says who answered.

Invariant: it needs the standard library alone, for it runs on the image's own Python; it retries nothing, so that a
failure shows.
"""

import itertools
import sys
import time
import urllib.request

for url in itertools.cycle(sys.argv[1:]):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 # what the example was given
            print(f"{url} {answer.read().decode().strip()}")
    except OSError as error:
        print(f"{url} failed: {error}")
    time.sleep(0.25)
