"""The terminal: results go to standard output; progress and errors to standard error.

So `make run > summary.txt` keeps the summary alone.
"""

from rich.console import Console
from rich.text import Text

RESULTS = Console(highlight=False, markup=False, emoji=False)
PROGRESS = Console(highlight=False, markup=False, emoji=False, stderr=True)


def say(text: str = "", *, title: str = "") -> None:
    """Prints text as it is, brackets too, after a title in bold; the terminal wraps long lines."""
    RESULTS.print(Text.assemble((title, "bold"), text), soft_wrap=True)


def complain(error: Exception) -> None:
    """Prints an error as a sentence."""
    PROGRESS.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
