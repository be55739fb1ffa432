"""Speed against the published way of doing the same: one module per figure."""
