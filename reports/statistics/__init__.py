"""What a number is worth: intervals, contrasts, tests, the one verdict, power. Thin over scipy."""
