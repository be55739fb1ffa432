"""Verdicts on published claims, found from committed evidence: claim + rule → verdict, figures and their sources."""
