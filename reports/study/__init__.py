"""Run folders read once into a typed ``Study``: all that tables, figures, page and claims show."""
