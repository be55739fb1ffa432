"""Published claims judged by committed evidence: claim + rule → verdict, figures and their sources."""
