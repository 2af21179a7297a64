"""The Feast repository: its configuration, the objects of a model, and the offline store.

The modules import Feast, which takes seconds, so import them inside functions only.
"""

JOIN_KEY = "entity"
EVENT_TIMESTAMP = "event_timestamp"
KEYS = [JOIN_KEY, EVENT_TIMESTAMP]
"""Columns that every feature table and every point-in-time join has."""
