"""Names of the files on disk, each said once."""

PLAN, REGISTERED, FLOORS, COSTS = "plan.json", "registered.json", "floors.json", "costs.json"
TUNING, TRIAL = "tuning.json", "trial.json"
CONFIG, ENVIRONMENT, RESULT, FAILURE = "config.json", "environment.json", "result.json", "failure.json"
CHECKPOINT, CURVE, PROGRESS = "checkpoint.safetensors", "curve.jsonl", "progress.json"
LOG, OUTPUT = "log.txt", "output.txt"
"""What a cell logs, and what its process printed where a grid started it."""
PREDICTIONS, LOSSES = "predictions.npz", "losses.npz"
