"""What clients ask for, and what is done about it."""
