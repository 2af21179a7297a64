"""The Feast repository: its configuration, the objects of a model, and the offline store.

The modules import Feast, which takes seconds, so import them inside functions only.
"""
