"""Webhooks: the platform tells of copies that ended, so that fewer calls find them.

A delivery is never believed, it is a hint to look: `judge` says whether it is the platform's and
new, `hints` gathers what it names, and `confirm` reads a page of the list once that pays. What no
delivery tells of, following finds, a little later. `registration` sees to it that the platform
knows of us while a run lasts, and no longer.
"""
