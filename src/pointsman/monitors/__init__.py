"""Health checks that the engine cannot run itself, and their verdicts."""
