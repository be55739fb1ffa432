"""Names of files that more than one part of the records needs."""

PLAN, REGISTERED, FLOORS, COSTS = "plan.json", "registered.json", "floors.json", "costs.json"
CONFIG, FAILURE, ENVIRONMENT = "config.json", "failure.json", "environment.json"
