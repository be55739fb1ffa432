"""Predictions over HTTP: texts of many requests answered together, within limits (extra ``serve``)."""
