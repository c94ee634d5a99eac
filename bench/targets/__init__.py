"""What can be measured: one module for each, with a `TARGET`."""
