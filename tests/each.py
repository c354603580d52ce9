"""One test for many small cases.

pytest's own cost of a test is some milliseconds: for thousands of cases that need microseconds each it would be most of
a suite's time. A case that fails is named, and the others are tried all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVarTuple

Case = TypeVarTuple("Case")


def each(
    cases: Iterable[tuple[*Case]], name_of: Callable[[*Case], str]
) -> Callable[[Callable[[*Case], None]], Callable[[], None]]:
    """Makes the test of one case a test of all `cases`, of which there must be some."""
    listed = list(cases)

    def of_all(test: Callable[[*Case], None]) -> Callable[[], None]:
        def tries_all() -> None:
            failed = []
            for case in listed:
                try:
                    test(*case)
                except Exception as error:
                    error.add_note(f"case: {name_of(*case)}")
                    failed.append(error)
            names = "\n".join(f"{error.__notes__[-1]}: {error}" for error in failed)
            assert not failed, f"{len(failed)} of {len(listed)} cases:\n{names}"
            assert listed, "there are no cases"

        tries_all.__name__ = test.__name__
        tries_all.__doc__ = test.__doc__
        tries_all.__module__ = test.__module__
        return tries_all

    return of_all
