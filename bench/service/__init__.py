"""What the bench of the local service measures: one module for each scenario."""
