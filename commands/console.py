"""The terminal: results on its standard output, what passes by on its standard error."""

from rich.console import Console

CONSOLE = Console(highlight=False)
PROGRESS = Console(highlight=False, stderr=True)
"""What passes by; apart from the results, and from what libraries may hold back of them."""
