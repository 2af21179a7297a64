"""From the promoted version to a service: its Bento, and one forecast asked of it."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands.progress import CONSOLE
from ml_assets.core.examples import request_of
from ml_assets.resources.registry import ModelRegistry
from ml_assets.settings import Settings
