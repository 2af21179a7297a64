"""Lets schemathesis send new requests alone.

It tells Hypothesis which requests were accepted, whether anybody asked or not, and Hypothesis then
spends about half of them, and more than half of the time, on variations of those.
"""

import hypothesis


def _ignored(observation: float, *, label: str = "") -> float:
    return observation


hypothesis.target = _ignored
