"""What a number is worth: intervals, effects, paired tests, verdicts, power. Thin over scipy and statsmodels."""
