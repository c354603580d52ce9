"""What holds for all suites: properties are judged by what they find, never by how long that took, and a change is
judged by the same examples on every machine. `make fuzz` looks for new ones.
"""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

# A machine that is busy with something else is slow for seconds: neither a deadline nor slow data is a fault.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("steady"), derandomize=False, max_examples=1000)
settings.load_profile("steady")

# The thresholds of the product. What is imported and collected stays until the end: with Python's own thresholds a
# third of a run's time went into looking for garbage in it.
gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    """From here on only what tests make is looked through for garbage."""
    gc.collect()
    gc.freeze()
