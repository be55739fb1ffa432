"""In a checkout: the folder ``reports`` beside the library, under the name that it has in an installed package."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[2] / "reports")]
